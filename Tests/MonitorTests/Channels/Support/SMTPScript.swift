// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A server that answers each command as a test says, and records the commands.
struct SMTPScript: Sendable {
    /// An answer to a command.
    enum Act: Sendable, ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
        /// Sends a text, with the line ends that it has.
        case say(String)
        /// Closes the connection.
        case hangUp
        /// Sends nothing.
        case stall
        /// Sends a text over and over.
        case flood(String)

        init(stringLiteral text: String) { self = .say(text + "\r\n") }
    }

    /// The steps of a delivery, in their order; `.` is the end of the mail, `user` and `password` those of `LOGIN`.
    static let steps = ["connection", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "."]

    /// The answer to each step, or to a line as a whole.
    var acts: [String: Act] = [
        "connection": "220 mail.test ESMTP",
        "EHLO": "250-mail.test\r\n250-SIZE 100000\r\n250-8BITMIME\r\n250 AUTH LOGIN PLAIN",
        "HELO": "250 mail.test",
        "STARTTLS": "220 go ahead",
        "AUTH": "235 2.7.0 welcome",
        "MAIL": "250 2.1.0 ok",
        "RCPT": "250 2.1.5 ok",
        "DATA": "354 go ahead",
        ".": "250 2.0.0 queued",
        "QUIT": "221 2.0.0 bye",
    ]
    /// How many bytes are sent at once.
    var pieceSize = Int.max

    /// A script in which one step is another one.
    static func with(_ step: String, _ act: Act) -> SMTPScript {
        var script = SMTPScript()
        script.acts[step] = act
        return script
    }

    /// The outcome of a delivery.
    struct Outcome: Sendable {
        let result: Result<String, AlertChannelError>
        /// The lines that the server has received, without those of the mail.
        let commands: [String]
        /// The mail, with the dots that were added.
        let mail: String?

        var error: AlertChannelError? { if case .failure(let error) = result { error } else { nil } }
        var answer: String? { try? result.get() }
        /// The recipients that were named, up to the `@`.
        var named: [String] {
            commands.filter { $0.hasPrefix("RCPT TO:<") }.map { String($0.dropFirst(9).prefix { $0 != "@" }) }
        }
    }

    /// Options for a server on this machine without TLS.
    static func options(password: String = "s3cret-pass", timeout: Duration = .seconds(20)) -> SMTPChannel.Options {
        SMTPChannel.Options(
            host: "127.0.0.1",
            security: .none,
            user: "etcd",
            password: Secret(password),
            from: "etcd@example.com",
            to: ["ops@example.com"],
            timeout: timeout,
            allowsPlaintextLogin: true
        )
    }

    /// Delivers a mail to the server.
    func deliver(
        _ options: SMTPChannel.Options = Self.options(),
        _ notification: AlertNotification = MailSamples.notification()
    ) async throws -> Outcome {
        try #require(try await deliver([notification], options).first)
    }

    /// Delivers mails, one after another, by one channel; `scripts` has those of deliveries that have another one.
    func deliver(
        _ notifications: [AlertNotification],
        _ options: SMTPChannel.Options = Self.options(),
        scripts: [Int: SMTPScript] = [:]
    ) async throws -> [Outcome] {
        let log = Lock<(commands: [String], mail: String?)>(([], nil))
        let outcomes = Lock<[Outcome]>([])
        let serveNext: @Sendable (HTTPWire) async throws -> Void = { wire in
            let script = scripts[outcomes.withLock { $0.count }] ?? self
            try await script.serve(wire, log)
        }
        try await withScript(serveNext) { endpoint in
            var options = options
            options.port = endpoint.port
            let channel = SMTPChannel(options)
            for notification in notifications {
                let result: Result<String, AlertChannelError>
                do throws(AlertChannelError) {
                    result = .success(try await channel.send(notification))
                } catch {
                    result = .failure(error)
                }
                let (commands, mail) = log.withLock { log in
                    defer { log = ([], nil) }
                    return log
                }
                outcomes.withLock { $0.append(Outcome(result: result, commands: commands, mail: mail)) }
            }
        }
        return outcomes.withLock { $0 }
    }

    private func serve(_ wire: HTTPWire, _ log: Lock<(commands: [String], mail: String?)>) async throws {
        var unread = ""
        func line() async throws -> String? {
            while !unread.contains("\r\n") {
                let bytes = try await wire.stream.read(deadline: .after(.seconds(30)))
                if bytes.isEmpty { return nil }
                unread += String(decoding: bytes, as: UTF8.self)
            }
            let parts = unread.split(separator: "\r\n", maxSplits: 1, omittingEmptySubsequences: false)
            unread = String(parts.last ?? "")
            return String(parts.first ?? "")
        }
        guard try await act(wire, "connection") else { return }
        while let command = try await line() {
            log.withLock { $0.commands.append(command) }
            let name = command.split(separator: " ").first.map { $0.uppercased() } ?? ""
            let isLogin = log.withLock { $0.commands.dropLast().last == "AUTH LOGIN" }
            let isSecond = log.withLock { $0.commands.dropLast(2).last == "AUTH LOGIN" }
            guard try await act(wire, isLogin ? "user" : isSecond ? "password" : acts[command] == nil ? name : command)
            else { return }
            guard name == "DATA", case .say(let text) = acts["DATA"], text.hasPrefix("354") else { continue }
            var mail: [String] = []
            while let next = try await line(), next != "." { mail.append(next) }
            log.withLock { [mail] in $0.mail = mail.map { "\($0)\r\n" }.joined() }
            guard try await act(wire, ".") else { return }
        }
    }

    /// Does a step; false if the connection is over.
    private func act(_ wire: HTTPWire, _ step: String) async throws -> Bool {
        switch acts[step] ?? "502 5.5.1 unknown command" {
        case .hangUp: return false
        case .stall:
            _ = try await wire.readAll()
            return false
        case .flood(let text):
            while true { try await wire.send(text) }
        case .say(let text):
            let bytes = Array(text.utf8)
            for start in stride(from: 0, to: bytes.count, by: min(pieceSize, max(bytes.count, 1))) {
                try await wire.stream.write(Array(bytes[start...].prefix(pieceSize)), deadline: .after(.seconds(10)))
                if pieceSize < bytes.count { try await Task.sleep(for: .milliseconds(1)) }
            }
            return true
        }
    }
}
