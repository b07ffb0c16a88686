// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

@Suite("Channels of the configuration file", .unit, .timeLimit(.minutes(1)))
struct AlertsChannelTests {
    /// The required settings of each type.
    private static let types = [
        "console": "",
        "slack": #", "url": "https://127.0.0.1:1/x""#,
        "pagerduty": #", "routingKey": "0123456789abcdef0123456789abcdef""#,
        "webhook": #", "url": "https://127.0.0.1:1/x""#,
        "alertmanager": #", "urls": ["https://127.0.0.1:1"]"#,
        "smtp": #", "host": "localhost", "from": "a@b.example", "to": ["c@d.example"]"#,
    ]

    /// Accepts, with the answer of the service that has this path.
    private static func accept(_ request: HTTPRequest) -> HTTPResponse {
        if request.path != "/v2/enqueue" { return HTTPResponse(200, "ok") }
        return HTTPResponse(202, #"{"status":"success","message":"Event processed","dedup_key":"key"}"#)
    }

    private func channel(_ type: String, _ more: String = "", environment: [String: String] = [:]) throws
        -> any AlertChannel
    {
        let text = #"{"channels": {"x": {"type": "\#(type)"\#(Self.types[type] ?? "")\#(more)}}}"#
        return try #require(try alertsConfiguration(text, environment: environment).channels["x"])
    }

    @Test(
        "each type of channel can be configured, and only the console owns the output",
        arguments: types.keys.sorted()
    )
    func kinds(type: String) throws {
        #expect(try channel(type).kind == type)
        let text = #"{"channels": {"x": {"type": "\#(type)"\#(Self.types[type] ?? "")}}}"#
        #expect(try alertsConfiguration(text).ownsOutput == (type == "console"))
        #expect(throws: Never.self) { try channel(type).check() }
        if type == "console" { return }
        #expect(try channel(type, #", "sendsResolved": false"#).delivery.sendsResolved == false)
        #expect(try channel(type).delivery.sendsResolved, "control")
    }

    @Test("the files for TLS are used", arguments: types.keys.filter { $0 != "console" }.sorted())
    func tls(type: String) throws {
        let issued = try TestCertificateAuthority().issue("client")
        try withFiles(["cert.pem": issued.certificate, "key.pem": issued.key]) { folder in
            let good = #", "cacert": "\#(folder)/cert.pem", "cert": "\#(folder)/cert.pem", "key": "\#(folder)/key.pem""#
            #expect(throws: Never.self, "control") { try channel(type, good).check() }
            for name in ["cacert", "cert", "key"] {
                let bad = good.replacing(
                    try Regex("\"\(name)\": \"[^\"]*\""),
                    with: "\"\(name)\": \"/none/\(name).pem\""
                )
                let error = #expect(throws: AlertChannelError.self) { try channel(type, bad).check() }
                #expect(error?.message.contains("/none/\(name).pem") == true, "\(error?.message ?? "")")
            }
        }
    }

    @Test("a mail has the server, the login and the addresses of the file")
    func mail() throws {
        let more = #"""
            , "port": 2525, "security": "tls", "user": "u", "passwordFile": "/p", "authentication": "login",
            "allowsPlaintextLogin": true, "heloName": "h.example", "timeout": "7s", "sendsResolved": false
            """#
        let found = try #require(try channel("smtp", more) as? SMTPChannel)
        #expect(
            found.options
                == SMTPChannel.Options(
                    host: "localhost",
                    port: 2525,
                    security: .implicitTLS,
                    user: "u",
                    password: .file("/p"),
                    from: "a@b.example",
                    to: ["c@d.example"],
                    timeout: .seconds(7),
                    authentication: .login,
                    allowsPlaintextLogin: true,
                    heloName: "h.example",
                    sendsResolved: false
                )
        )
        let plain = try #require(try channel("smtp") as? SMTPChannel)
        #expect(
            plain.options == SMTPChannel.Options(host: "localhost", from: "a@b.example", to: ["c@d.example"])
        )
    }

    /// Sends a message by a channel, and returns the newest request to a path.
    private func request(
        by channel: (any AlertChannel)?,
        to path: String,
        _ receiver: RecordingReceiver
    ) async throws -> HTTPRequest {
        _ = try await channel?.send(.sample)
        return try #require(receiver.requests.last { $0.path == path }, "\(receiver.requests.map(\.path))")
    }

    @Test("messages go to the receivers of the file, with its secrets, which may change in their files")
    func messages() async throws {
        try await RecordingReceiver.run(answering: { Self.accept($0) }) { receiver in
            let origin = receiver.origin
            try await withFiles(["key": "first\n", "url": "\(origin)/from-file\n"]) { folder in
                let channels = try alertsConfiguration(
                    """
                    {"channels": {
                      "slack": {"type": "slack", "urlFile": "\(folder)/url"},
                      "pager": {"type": "pagerduty", "routingKeyFile": "\(folder)/key", "endpoint": "\(origin)"},
                      "hook": {"type": "webhook", "url": "${URL}/hook", "signingSecret": "z",
                               "headers": {"Authorization": "Bearer ${T}", "X-KeyFile": "\(folder)/key",
                                           "X-File": "plain"}},
                      "managers": {"type": "alertmanager", "urls": ["${URL}/a", "${URL}/b"],
                                   "headers": {"X-Scope": "s"}},
                      "manager": {"type": "alertmanager", "urlFile": "\(folder)/url"}
                    }}
                    """,
                    environment: ["URL": origin, "T": "t"]
                ).channels
                _ = try await request(by: channels["slack"], to: "/from-file", receiver)
                let before = try await request(by: channels["pager"], to: "/v2/enqueue", receiver)
                try Data("second".utf8).write(to: URL(fileURLWithPath: "\(folder)/key"))
                let after = try await request(by: channels["pager"], to: "/v2/enqueue", receiver)
                #expect(before.bodyText.contains("\"first\"") && after.bodyText.contains("\"second\""))

                let hook = try await request(by: channels["hook"], to: "/hook", receiver)
                let fields = ["Authorization", "X-Key", "X-File"].map { hook.headers[$0] }
                #expect(fields == ["Bearer t", "second", "plain"])
                try checkSignature(of: hook, "z")

                let first = try await request(by: channels["managers"], to: "/a/api/v2/alerts", receiver)
                let second = try await request(by: nil, to: "/b/api/v2/alerts", receiver)
                #expect([first, second].map { $0.headers["X-Scope"] } == ["s", "s"])
                _ = try await request(by: channels["manager"], to: "/from-file/api/v2/alerts", receiver)
            }
        }
    }

    private func checkSignature(of request: HTTPRequest, _ secret: String) throws {
        let signature = try #require(request.headers["X-Etcd-Monitor-Signature"])
        let time = try #require(signature.firstMatch(of: /t=(\d+),v1=/)).output.1
        let code = HMACSHA256.code(of: Array("\(time).".utf8) + request.body, key: Array(secret.utf8)) ?? []
        let digits = code.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
        #expect(digits.count == 64)
        #expect(signature.hasSuffix(",v1=\(digits)"))
    }

    @Test("a message takes no longer than the timeout in the file")
    func timeout() async throws {
        try await withSilence { silent in
            let hook = try #require(
                try alertsConfiguration(
                    #"{"channels": {"x": {"type": "webhook", "url": "http://\#(silent)", "timeout": "200ms"}}}"#
                ).channels["x"]
            )
            let start = ContinuousClock.now
            await #expect(throws: AlertChannelError.self) { try await hook.send(.sample) }
            // The default is 10 s.
            #expect((.milliseconds(200)..<Duration.seconds(8)).contains(ContinuousClock.now - start))
        }
    }
}

extension AlertNotification {
    /// One alert that fires.
    fileprivate static var sample: AlertNotification {
        var alert = Alert(
            "EtcdTest",
            cluster: "c",
            AlertRule.Match(summary: "It is a test."),
            severity: .warning,
            since: .now
        )
        alert.state = .firing
        alert.firingSince = .now
        return AlertNotification(
            id: "1",
            channel: "x",
            cluster: "c",
            items: [Item(alert, .fired)],
            openCount: 1,
            time: .now
        )
    }
}
