// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Settings of mail channels", .unit)
struct SMTPSettingsTests {
    private let good = SMTPChannel.Options(
        host: "smtp.example.com",
        user: "etcd",
        password: Secret("s3cret-pass"),
        from: "etcd <etcd@example.com>",
        to: ["ops@example.com"]
    )

    @Test func `Invalid settings are refused before the first mail`() async throws {
        try SMTPChannel(good).check()
        let changes: [(String, (inout SMTPChannel.Options) -> Void)] = [
            ("not an endpoint", { $0.host = "" }), ("not an endpoint", { $0.host = "a b" }),
            ("host: ", { $0.host = "smtp.example.com:25" }), ("host: ", { $0.host = "https://a" }),
            ("not a port", { $0.port = 0 }),
            ("from: ", { $0.from = "etcd" }), ("to: ", { $0.to = ["a@b", "x"] }), ("to: ", { $0.to = [] }),
            ("password is not set", { $0.password = nil }), ("user is not set", { $0.user = nil }),
            ("user: ", { $0.user = "" }),
            ("password: ", { $0.password = Secret("") }), ("NUL", { $0.password = Secret("a\u{0}b") }),
            ("without TLS", { $0.security = .none }),
            (
                "without TLS",
                {
                    $0.security = .none; $0.allowsPlaintextLogin = true
                }
            ),
            (
                "without TLS",
                {
                    $0.security = .none; $0.host = "localhost"
                }
            ),
            (
                "without TLS",
                {
                    $0.security = .none; $0.allowsPlaintextLogin = true; $0.host = "127.0.0.1.example.com"
                }
            ),
            ("heloName: ", { $0.heloName = "a b" }), ("heloName: ", { $0.heloName = "a\r\nRSET" }),
            ("heloName: ", { $0.heloName = "[]" }), ("/none", { $0.tls = .init(trustedCertificates: .file("/none")) }),
        ]
        for (words, change) in changes {
            var options = good
            change(&options)
            let error = #expect(throws: AlertChannelError.self) { try SMTPChannel(options).check() }
            #expect(error?.isPermanent == true && error?.message.contains(words) == true, "\(words): \(error as Any)")
            let failure = await #expect(throws: AlertChannelError.self) {
                try await SMTPChannel(options).send(MailSamples.notification())
            }
            #expect(failure == error)
        }
    }

    @Test func `Valid settings are accepted`() throws {
        let changes: [(inout SMTPChannel.Options) -> Void] = [
            { $0.host = "::1" }, { $0.heloName = "[IPv6:::1]" }, { $0.heloName = "monitor" }, { $0.port = 2525 },
            {
                $0.security = .none; $0.allowsPlaintextLogin = true; $0.host = "LOCALHOST"
            },
            {
                $0.security = .none; $0.allowsPlaintextLogin = true; $0.host = "127.1.2.3"
            },
            {
                $0.security = .none; $0.user = nil; $0.password = nil
            }, { $0.timeout = .seconds(Int64.max) },
        ]
        for change in changes {
            var options = good
            change(&options)
            try SMTPChannel(options).check()
        }
    }

    @Test func `The local machine is distinguished from others`() {
        for host in ["localhost", "LocalHost", "127.0.0.1", "127.255.0.9", "::1"] {
            #expect(SMTPLogin.isThisMachine(host))
        }
        for host in ["", "127.1", "127.0.0.1.5", "127.0.0.256", "127.0.0.", "128.0.0.1", "localhost.example", "::2"] {
            #expect(!SMTPLogin.isThisMachine(host))
        }
    }

    @Test func `The default port follows from the protection`() throws {
        for (security, port) in [(SMTPChannel.Security.startTLS, 587), (.implicitTLS, 465), (.none, 25)] {
            var options = good
            options.security = security
            (options.user, options.password) = (nil, nil)
            #expect(try SMTPSettings(options).endpoint.port == port)
        }
        #expect(SMTPChannel(good).delivery == AlertDelivery() && SMTPChannel(good).kind == "smtp")
        var silent = good
        silent.sendsResolved = false
        #expect(!SMTPChannel(silent).delivery.sendsResolved)
    }

    @Test func `A password in a file is read each time`() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "password-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        var options = SMTPScript.options()
        options.password = .file(file.path)
        let missing = #expect(throws: AlertChannelError.self) { try SMTPChannel(options).check() }
        #expect(missing?.message.contains(file.path) == true)
        for password in ["first", "second"] {
            try Data("\(password)\n".utf8).write(to: file)
            let token = Data("\u{0}etcd\u{0}\(password)".utf8).base64EncodedString()
            #expect(try await SMTPScript().deliver(options).commands.contains("AUTH PLAIN \(token)"))
        }
    }

    @Test func `Errors, answers and descriptions contain no secret`() async throws {
        let password = "s3cret-pass"
        let base64 = { (text: String) in Data(text.utf8).base64EncodedString() }
        let secrets = [password, base64(password), base64("\u{0}etcd\u{0}\(password)")]
        let echo = "you said \(secrets.joined(separator: " and ")) or \(secrets[0])\(secrets[1])"
        let channel = SMTPChannel(SMTPScript.options(password: password))
        var dumped = ""
        dump(channel, to: &dumped)
        dump(SMTPScript.options(password: password), to: &dumped)
        var texts = [dumped, "\(channel)", "\(channel.options)", String(reflecting: channel)]
        for step in SMTPScript.steps + ["user", "password"] {
            for code in step == "." ? ["250", "550"] : ["421", "550", "950"] {
                var script = SMTPScript.with(step, .say("\(code)-\(echo)\r\n\(code) \(echo)\r\n"))
                var options = SMTPScript.options(password: password)
                if ["user", "password"].contains(step) {
                    options.authentication = .login
                    script.acts["AUTH"] = "334 VXNlcm5hbWU6"
                    if step == "password" { script.acts["user"] = "334 UGFzc3dvcmQ6" }
                }
                let outcome = try await script.deliver(options)
                let text = outcome.answer ?? outcome.error.map { "\($0) \(String(reflecting: $0))" } ?? ""
                #expect(text.contains("you said (secret)"), "\(step) \(code): \(text)")
                texts.append(text)
            }
        }
        for text in texts {
            for secret in secrets { #expect(!text.contains(secret), "\(text)") }
        }
        // The secret was sent, so it could have been seen.
        #expect(try await SMTPScript().deliver().commands.contains("AUTH PLAIN \(secrets[2])"))
    }
}
