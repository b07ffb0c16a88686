// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

/// The program is given a secret in each place where it takes one, and receivers that repeat all they are sent.
@Suite("Secrets of the running etcd-monitor", .cluster, .timeLimit(.minutes(2)))
struct AlertSecretsTests {
    private static let read = "s3cret-read", alice = "s3cret-alice", bob = "s3cret-bob", etcd = "s3cret-etcd"
    private static let slack = "s3cret-slack", pager = "s3cret-pager-0123456789abcdef012", hook = "s3cret-hook"
    private static let header = "s3cret-header", signing = "s3cret-signing", basic = "s3cret-basic"
    private static let mail = "s3cret-mail", shortcut = "s3cret-shortcut"
    /// The secrets that receivers get.
    private static let travelling = [slack, pager, hook, header, basic, mail, shortcut]
    private static let all = travelling + [read, alice, bob, etcd, signing]

    /// The secrets that a text has in it, plain or encoded for sending.
    private static func found(in text: String) -> Set<String> {
        let pairs = all.flatMap { secret in
            let forms = [
                secret, Data("monitor:\(secret)".utf8).base64EncodedString(), Data(secret.utf8).base64EncodedString(),
                Data("\u{0}monitor\u{0}\(secret)".utf8).base64EncodedString(),
            ]
            return forms.map { ($0, secret) }
        }
        return Set(pairs.filter { text.contains($0.0) }.map(\.1))
    }

    private static let environment = [
        "SWIFT_BACKTRACE": "enable=yes,symbolicate=off,color=no,interactive=no",
        "ETCD_MONITOR_API_TOKEN": read, "ALICE": alice, "ETCD_PASSWORD": etcd, "HEADER": header, "SIGNING": signing,
    ]

    private static func configuration(
        _ endpoints: [String],
        _ receiver: RecordingReceiver,
        _ mailServer: Endpoint,
        _ folder: String
    ) -> String {
        let place = receiver.origin.dropFirst("http://".count)
        let names = ["chat", "pager", "hook", "managers", "mail", "webhook"]
        return """
            {"clusters": {
               "a": {"endpoints": "\(endpoints.joined(separator: ","))"},
               "b": {"endpoints": "127.0.0.1:1", "user": "monitor", "password": "${ETCD_PASSWORD}"}},
             "apiPort": 0, "healthCheckInterval": "200ms", "apiAdminTokens": {"alice": "${ALICE}", "bobFile": "\(folder)/bob"},
             "alerts": {
               "stateFile": "\(folder)/state.json", "interval": "100ms", "groupWait": "0s", "groupInterval": "0s",
               "channels": {
                 "chat": {"type": "slack", "url": "\(receiver.origin)/services/\(slack)"},
                 "pager": {"type": "pagerduty", "routingKeyFile": "\(folder)/pager", "endpoint": "\(receiver.origin)"},
                 "hook": {"type": "webhook", "urlFile": "\(folder)/hook", "signingSecret": "${SIGNING}",
                          "headers": {"Authorization": "Bearer ${HEADER}"}},
                 "managers": {"type": "alertmanager", "urls": ["http://monitor:\(basic)@\(place)"]},
                 "mail": {"type": "smtp", "host": "127.0.0.1", "port": \(mailServer.port), "security": "none",
                          "user": "monitor", "password": "\(mail)", "allowsPlaintextLogin": true,
                          "from": "a@b.example", "to": ["c@d.example"]}
               },
               "routes": [{"severity": "info", "channels": ["\(names.joined(separator: "\", \""))"]}],
               "rules": [{"name": "EtcdManyKeys", "figure": "keys", "above": 0}]
             }}
            """
    }

    @Test("a scan finds none of them in the program's output, and all of them in its messages")
    func scan() async throws {
        let mails = Lock("")
        try await withEtcdCluster(members: 1) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                try await AlertingProgram.setKeys(1, client)
            }
            try await withScript({ try await Self.repeatLogin($0, mails) }) { mailServer in
                try await RecordingReceiver.run(answering: { HTTPResponse(500, $0.allText) }) { receiver in
                    let files = ["bob": Self.bob, "pager": Self.pager, "hook": "\(receiver.origin)/h?t=\(Self.hook)\n"]
                    try await withFiles(files) { folder in
                        let text = Self.configuration(cluster.endpoints, receiver, mailServer, folder)
                        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/m.json"))
                        let environment = Self.environment.merging(
                            ["ETCD_MONITOR_WEBHOOK_URL": "\(receiver.origin)/\(Self.shortcut)"]
                        ) { $1 }
                        let said = try await Self.use(["--config=\(folder)/m.json"], environment)
                        for (place, text) in said + [("the state", try Self.text(of: "\(folder)/state.json"))] {
                            #expect(!text.isEmpty, "\(place)")
                            #expect(Self.found(in: text).isEmpty, "\(place): \(text.prefix(3000))")
                        }
                        let sent = receiver.requests.map(\.allText).joined(separator: "\n") + mails.withLock { $0 }
                        #expect(Self.found(in: sent) == Set(Self.travelling), "control")
                        #expect(Self.found(in: "\(environment) \(text) \(files)") == Set(Self.all), "control")
                    }
                }
            }
        }
    }

    /// Uses the program in all ways, and returns all its output, by place.
    private static func use(_ arguments: [String], _ environment: [String: String]) async throws -> [(String, String)] {
        var said: [(String, String)] = []
        let program = try RunningProgram(arguments, environment: environment)
        let port = try await program.port()
        let channels = ["chat", "pager", "hook", "managers", "mail", "webhook"]
        let isFiring = await eventually {
            let alerts = try? await RunningProgram.get("/api/v1/alerts", at: port, token: alice).text
            return alerts?.contains("EtcdManyKeys") == true
        }
        #expect(isFiring, "\(program.output)")
        let areTold = await eventually { channels.allSatisfy { program.output.contains("not sent  \($0): ") } }
        #expect(areTold, "\(program.output)")
        for route in Route.all where route.method == "GET" && !["/", "/api/v1/events"].contains(route.path) {
            for token in [alice, bob, read, "wrong"] {
                let answer = try await RunningProgram.get(route.path, at: port, token: token)
                said.append((route.path, answer.text))
            }
        }
        // A crash shows the runtime's report. Swift's handler survives a signal that comes from outside.
        program.signal(SIGABRT)
        let isShown = await eventually(within: .seconds(60)) {
            (program.output + program.errors).contains("Backtrace took")
        }
        #expect(isShown, "control")
        program.signal(SIGKILL)
        let outcome = try await program.outcome()
        said.append(("the output", outcome.output + outcome.errors))

        let more = [["--help"], ["--once"], ["--doctor", "--json"]] + channels.map { ["--test-alert", $0] }
        for flags in more {
            let outcome = try await RunningProgram(arguments + flags, environment: environment).outcome()
            if flags.first == "--test-alert" { #expect(outcome.status == 70, "\(flags)") }
            said.append((flags.joined(separator: " "), outcome.output + outcome.errors))
        }
        return said
    }

    /// Refuses a login, and repeats the sent bytes.
    private static func repeatLogin(_ wire: HTTPWire, _ log: Lock<String>) async throws {
        try await wire.send("220 mail.test ESMTP\r\n")
        while true {
            let bytes = try await wire.stream.read(deadline: .after(.seconds(10)))
            if bytes.isEmpty { return }
            let command = String(decoding: bytes, as: UTF8.self)
            log.withLock { $0 += command }
            let words = command.trimmingCharacters(in: .newlines)
            let isGreeting = command.uppercased().hasPrefix("EHLO")
            try await wire.send(
                isGreeting ? "250-mail.test\r\n250 AUTH PLAIN LOGIN\r\n" : "535 5.7.8 not with \(words), \(mail)\r\n"
            )
        }
    }

    private static func text(of file: String) throws -> String { try String(contentsOfFile: file, encoding: .utf8) }
}
