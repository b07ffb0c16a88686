// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("SMTP servers that misbehave", .unit, .timeLimit(.minutes(2)))
struct SMTPHostileTests {
    @Test func `The control: a correct server gets the mail`() async throws {
        let outcome = try await SMTPScript().deliver()
        #expect(outcome.answer == "250 2.0.0 queued" && outcome.mail?.contains("Subject: [CRITICAL] prod-eu: ") == true)
        let names = outcome.commands.map { $0.split(separator: " ").first.map(String.init) ?? "" }
        #expect(names == ["EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"])
    }

    @Test(arguments: SMTPScript.steps)
    func `A server that hangs up at any step has not taken the mail`(step: String) async throws {
        let error = try await SMTPScript.with(step, .hangUp).deliver().error
        #expect(
            error?.isPermanent == false && error?.message.contains("gives no answer to ") == true,
            "\(error as Any)"
        )
        #expect(error?.mayHaveArrived == (step == "."))
    }

    @Test(arguments: SMTPScript.steps)
    func `A server that falls silent at any step is given up at the deadline`(step: String) async throws {
        let options = SMTPScript.options(timeout: .milliseconds(500))
        let error = try await SMTPScript.with(step, .stall).deliver(options).error
        #expect(error?.isPermanent == false && error?.message.contains("too long") == true, "\(error as Any)")
    }

    @Test(arguments: SMTPScript.steps)
    func `A refusal at any step is temporary or permanent, with the server's words`(step: String) async throws {
        for (code, isPermanent) in [(421, false), (451, false), (552, true)] {
            let error = try await SMTPScript.with(step, "\(code)-5.3.0 first\r\n\(code) 5.3.0 second").deliver().error
            // A server that refuses EHLO gets HELO.
            #expect(error?.isPermanent == isPermanent)
            #expect(error?.message.contains("\(code) 5.3.0 first second") == true, "\(error as Any)")
            #expect(error?.message.contains("closes the connection") == (code == 421))
        }
    }

    @Test(arguments: SMTPScript.steps)
    func `Nonsense at any step is an error, and does not take up memory`(step: String) async throws {
        let nonsense: [SMTPScript.Act] = [
            "SSH-2.0-OpenSSH_9.2p1", "HTTP/1.1 400 Bad Request", "", "25", "99 ok", "2500 ok", "250_ok", "\u{0}\u{1}",
            "250-a\r\n251 b", .flood("250-again and again\r\n"), .flood(String(repeating: "a", count: 1000)),
        ]
        for act in nonsense {
            let error = try await SMTPScript.with(step, act).deliver().error
            #expect(
                error?.isPermanent == false && error?.message.contains("gives no answer to ") == true,
                "\(error as Any)"
            )
            #expect(error.map { $0.message.utf8.allSatisfy { $0 >= 32 } && $0.message.count < 400 } == true)
        }
    }

    @Test(arguments: [
        ("DATA", "250 ok"), ("connection", "250 ok"), ("EHLO", "220 ok"), ("AUTH", "250 ok"), (".", "354 go on"),
    ])
    func `A reply that belongs to another command is not a success`(step: String, reply: String) async throws {
        let outcome = try await SMTPScript.with(step, .say(reply + "\r\n")).deliver()
        #expect(outcome.error?.isPermanent == false && outcome.error?.message.hasSuffix(reply) == true)
    }

    @Test func `Replies in single bytes, and with bare line feeds, are understood`() async throws {
        var script = SMTPScript()
        script.pieceSize = 1
        script.acts["EHLO"] = .say("250-mail.test\n250-AUTH=LOGIN\n250 auth plain\n")
        script.acts["MAIL"] = .say("250\r\n")
        let outcome = try await script.deliver()
        #expect(outcome.answer == "250 2.0.0 queued")
        #expect(outcome.commands.contains { $0.hasPrefix("AUTH PLAIN ") })
    }

    @Test func `A slow sequence of bytes does not extend the deadline`() async throws {
        var script = SMTPScript.with("MAIL", .say(String(repeating: "250-slow\r\n", count: 400)))
        script.pieceSize = 1
        let error = try await script.deliver(SMTPScript.options(timeout: .milliseconds(700))).error
        #expect(error?.isPermanent == false && error?.message.contains("too long") == true)
    }

    @Test func `A task that is cancelled ends at once`() async throws {
        try await withScript({ _ = try await $0.readAll() }) { endpoint in
            var options = SMTPScript.options(timeout: .seconds(600))
            options.port = endpoint.port
            let channel = SMTPChannel(options)
            let error = await withTaskGroup(of: AlertChannelError?.self) { group in
                group.addTask {
                    do throws(AlertChannelError) {
                        _ = try await channel.send(MailSamples.notification())
                        return nil
                    } catch {
                        return error
                    }
                }
                try? await Task.sleep(for: .milliseconds(50))
                group.cancelAll()
                return await group.next() ?? nil
            }
            #expect(error?.message.contains("cancelled") == true)
        }
    }

    // MARK: Protection

    @Test func `Bytes between STARTTLS and TLS are refused, and nothing secret was sent`() async throws {
        var options = SMTPScript.options()
        options.security = .startTLS
        var script = SMTPScript.with("EHLO", "250-mail.test\r\n250-STARTTLS\r\n250 AUTH PLAIN LOGIN")
        script.acts["STARTTLS"] = "220 go ahead\r\n250-mail.evil\r\n250 AUTH PLAIN"
        let outcome = try await script.deliver(options)
        #expect(outcome.error?.message.hasSuffix("it sent data between STARTTLS and TLS") == true)
        #expect(outcome.commands.map { $0.prefix(4) } == ["EHLO", "STAR"])
        // Bytes that come later are taken for TLS, and are not.
        script.acts["STARTTLS"] = .say("220 go ahead\r\n")
        script.acts["\u{16}"] = "250 AUTH PLAIN"
        let late = try await failure(
            { wire in
                try await wire.send("220 mail.test\r\n")
                _ = try await wire.read(until: "\r\n")
                try await wire.send("250-mail.test\r\n250 STARTTLS\r\n")
                _ = try await wire.read(until: "\r\n")
                try await wire.send("220 go ahead\r\n")
                _ = try await wire.stream.read()
                try await wire.send("250-mail.evil\r\n250 AUTH PLAIN\r\n")
                _ = try await wire.readAll()
            },
            options
        )
        #expect(late.isPermanent == false && late.message.contains("cannot establish TLS"))
    }

    @Test func `A server without STARTTLS is refused before anything is sent`() async throws {
        var options = SMTPScript.options()
        options.security = .startTLS
        for ehlo: SMTPScript.Act in [
            "250 mail.test", "502 5.5.1 what", "250-mail.test\r\n250-XSTARTTLS\r\n250 AUTH PLAIN",
        ] {
            let outcome = try await SMTPScript.with("EHLO", ehlo).deliver(options)
            #expect(outcome.error?.isPermanent == true && outcome.error?.message.contains("no STARTTLS") == true)
            #expect(Set(outcome.commands.map { $0.prefix(4) }).isSubset(of: ["EHLO", "HELO"]))
        }
        for (reply, isPermanent) in [("454 4.7.0 no TLS now", false), ("501 no", true)] {
            var script = SMTPScript.with("EHLO", "250-mail.test\r\n250 STARTTLS")
            script.acts["STARTTLS"] = .say(reply + "\r\n")
            let outcome = try await script.deliver(options)
            #expect(outcome.error?.message.hasSuffix("refuses STARTTLS: \(reply)") == true)
            #expect(outcome.error?.isPermanent == isPermanent && outcome.commands.count == 2)
        }
    }

    @Test func `A server without a supported login is refused`() async throws {
        for (ehlo, offer) in [
            ("250 mail.test", "no login"), ("250-mail.test\r\n250 AUTH CRAM-MD5 XOAUTH2", "only CRAM-MD5, XOAUTH2"),
        ] {
            let outcome = try await SMTPScript.with("EHLO", .say(ehlo + "\r\n")).deliver()
            #expect(outcome.error?.isPermanent == true && outcome.error?.message.hasSuffix(offer) == true)
            #expect(outcome.commands.count == 1)
        }
    }

    @Test func `A server without EHLO gets HELO`() async throws {
        var options = SMTPScript.options()
        options.user = nil
        options.password = nil
        let outcome = try await SMTPScript.with("EHLO", "502 5.5.1 what").deliver(options)
        #expect(outcome.answer != nil && outcome.commands[1].hasPrefix("HELO "))
        // Without the extension SIZE, the command has no size.
        #expect(outcome.commands[2] == "MAIL FROM:<etcd@example.com>")
    }

    // MARK: After the mail

    @Test(arguments: [SMTPScript.Act.hangUp, .stall, "500 what", "garbage"])
    func `A failure after the mail was accepted is ignored`(act: SMTPScript.Act) async throws {
        #expect(try await SMTPScript.with("QUIT", act).deliver().answer == "250 2.0.0 queued")
    }

    @Test func `Each recipient is named to the server once, and none after it has hung up`() async throws {
        var options = SMTPScript.options()
        options.to = ["a@example.com", "A <a@example.com>", "b@example.com"]
        let outcome = try await SMTPScript().deliver(options)
        #expect(
            outcome.commands.filter { $0.hasPrefix("RCPT") } == ["RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>"]
        )
        #expect(try await SMTPScript.with("RCPT", "550 no").deliver(options).error?.isPermanent == true)
        // After 421 the server has closed the connection.
        let closed = try await SMTPScript.with("RCPT", "421 4.3.2 bye").deliver(options)
        #expect(closed.error?.isPermanent == false && closed.commands.count { $0.hasPrefix("RCPT") } == 1)
    }

    /// The failure to deliver a mail to a server that handles the connection with `script`.
    private func failure(
        _ script: @escaping @Sendable (HTTPWire) async throws -> Void,
        _ options: SMTPChannel.Options
    ) async throws -> AlertChannelError {
        let failure = Lock<AlertChannelError?>(nil)
        try await withScript(script) { endpoint in
            var options = options
            options.port = endpoint.port
            do throws(AlertChannelError) {
                _ = try await SMTPChannel(options).send(MailSamples.notification())
            } catch {
                failure.withLock { $0 = error }
            }
        }
        return try #require(failure.withLock { $0 })
    }
}
