// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Every secret begins with a mark, which must not be in any output of a channel.
@Suite("The secrets of channels", .unit, .timeLimit(.minutes(1))) struct ChannelSecretTests {
    private static let mark = "leak-"
    private static let options = HTTPChannelOptions(
        tls: TLSConfiguration(trustedCertificates: .text("leak-certificate"), passphrase: "leak-passphrase")
    )
    private static let news = AlertNotification.sample(.sample())

    /// All channels, with secrets wherever there can be any.
    private static func channels(at origin: String) -> [any AlertChannel] {
        let scheme = origin.prefix { $0 != ":" }
        let host = origin.dropFirst(scheme.count + 3)
        let url = Secret("\(scheme)://leak-user:leak-p%40ss@\(host)/leak-path/leak-p%C3%A4th?k=leak-query&leak-key=1")
        let headers = ["Authorization": Secret("Bearer leak-token"), "X-Key": Secret("leak-header")]
        return [
            ConsoleChannel(write: { _ in }), SlackChannel(url: url, options),
            PagerDutyChannel(routingKey: Secret("leak-routing"), endpoint: origin, options),
            WebhookChannel(url: url, headers: headers, signingSecret: Secret("leak-signing"), options),
            AlertmanagerChannel(urls: [url], headers: headers, options),
        ]
    }

    /// The answer or the error of the channel when it sends.
    private static func words(_ channel: any AlertChannel) async -> String {
        do throws(AlertChannelError) {
            return try await channel.send(news)
        } catch {
            return "\(error) \(String(reflecting: error)) \(dumped(error)) \(error.localizedDescription)"
        }
    }

    private static func dumped(_ value: some Any) -> String {
        var text = ""
        dump(value, to: &text)
        return text
    }

    @Test("are in no description")
    func descriptions() {
        for channel in Self.channels(at: "https://127.0.0.1:1") {
            let texts = [
                "\(channel)", String(reflecting: channel), Self.dumped(channel), channel.kind,
                Self.dumped(["channels": [channel]]), "\(channel.delivery)",
            ]
            for text in texts { #expect(!text.isEmpty && !text.contains(Self.mark), "\(text)") }
        }
        let texts = ["\(Self.options)", String(reflecting: Self.options), Self.dumped(Self.options)]
        for text in texts { #expect(!text.contains(Self.mark), "\(text)") }
        // Control: the secret of an unprotected type is found.
        struct Careless { let secret = "leak-control" }
        #expect(Self.dumped(Careless()).contains(Self.mark) && "\(Careless())".contains(Self.mark))
    }

    @Test("are in no answer and no error, even if the receiver repeats them")
    func echoes() async throws {
        let (part, echoed) = (Lock((index: 0, status: 200)), Lock<Set<String>>([]))
        let echo: RecordingReceiver.Answer = { request in
            let query = request.query.map { "\($0.key)=\($0.value)" }.joined(separator: "&")
            let encoded = request.path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? ""
            let key = try? JSON(request.body)["routing_key"].text
            let parts =
                [request.path, query, "\(encoded)?\(query)", key ?? ""]
                + request.headers.fields.map(\.value)
                + request.headers.fields.map { "\($0.name): \($0.value)" }
            let (index, status) = part.withLock { $0 }
            let text = index < parts.count ? parts[index] : ""
            echoed.withLock { echoed in
                for match in text.matches(of: /leak-\w+/) { echoed.insert(String(match.output)) }
            }
            return HTTPResponse(status, text)
        }
        try await RecordingReceiver.run(answering: echo) { receiver in
            for (index, status) in (0..<24).flatMap({ [($0, 200), ($0, 202), ($0, 404), ($0, 503)] }) {
                part.withLock { $0 = (index, status) }
                for channel in Self.channels(at: receiver.origin) {
                    let words = await Self.words(channel)
                    #expect(!words.isEmpty && !words.contains(Self.mark), "\(words)")
                }
            }
        }
        let expected: Set = ["leak-path", "leak-query", "leak-key", "leak-token", "leak-header", "leak-routing"]
        #expect(echoed.withLock { $0.isSuperset(of: expected) }, "control: they were repeated")
    }

    @Test("are in no error of a connection or of the settings")
    func errors() async throws {
        let garbage = { @Sendable (wire: HTTPWire) in
            let request = try await wire.stream.read(deadline: .after(.seconds(10)))
            try await wire.stream.write(request, deadline: .after(.seconds(10)))
        }
        try await withScript(garbage) { endpoint in
            for origin in [
                "http://127.0.0.1:\(endpoint.port)", "http://127.0.0.1:1", "https://127.0.0.1:1", "leak-scheme",
            ] {
                for channel in Self.channels(at: origin) {
                    let words = await Self.words(channel)
                    #expect(!words.contains(Self.mark), "\(words)")
                    do throws(AlertChannelError) {
                        try channel.check()
                    } catch {
                        #expect(!"\(error) \(Self.dumped(error))".contains(Self.mark), "\(error)")
                    }
                }
            }
        }
    }
}
