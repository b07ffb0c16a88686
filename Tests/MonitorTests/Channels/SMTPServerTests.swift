// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(
    "Mail by a real SMTP server",
    .cluster,
    .enabled(if: MailServer.isInstalled, "no python3 on PATH or in MONITOR_PYTHON can import aiosmtpd"),
    .timeLimit(.minutes(2))
)
struct SMTPServerTests {
    @Test(arguments: SMTPChannel.Security.allCases, [["PLAIN"], ["LOGIN"], ["LOGIN", "PLAIN"]])
    func `A mail arrives with all its parts`(security: SMTPChannel.Security, mechanisms: [String]) async throws {
        let server = try await MailServer(MailServer.Options(security: security, mechanisms: mechanisms))
        defer { server.stop() }
        let recipients = ["\"Müller, Eva\" <eva@example.com>", "ops@example.com", "On Call <oncall@example.org>"]
        var options = server.options(to: recipients)
        options.heloName = "monitor.example.com"
        options.allowsPlaintextLogin = true
        let alert = MailSamples.alert(cluster: "büro", summary: "Mitglied „etcd-1“ antwortet nicht 🚨\r\nBcc: x@y")
        let notification = MailSamples.notification([(alert, .fired)])
        let content = MailContent(notification)
        let answer = try await SMTPChannel(options).send(notification)
        #expect(answer == "250 2.0.0 Ok: queued as 1")

        let messages = try server.messages
        let message = try #require(messages.first)
        #expect(messages.count == 1)
        #expect(message.sender == "etcd@example.com" && message.user == "etcd")
        #expect(message.recipients == ["eva@example.com", "ops@example.com", "oncall@example.org"])
        #expect(message.isSecure == (security != .none) && message.heloName == "monitor.example.com")
        #expect(message.parameters.count == 1 && message.parameters[0].hasPrefix("SIZE="))
        let mail = message.mail
        #expect(mail.defects == [] && mail.looseLineEnds == 0 && mail.longestLine <= 78)
        #expect(mail.subject == "[CRITICAL] büro: Mitglied „etcd-1“ antwortet nicht 🚨 Bcc: x@y")
        #expect(mail.subject == content.subject)
        #expect(mail.from == [ParsedMail.Address(name: "etcd monitor", address: "etcd@example.com")])
        #expect(mail.to.map(\.name) == ["Müller, Eva", "", "On Call"] && mail.to.map(\.address) == message.recipients)
        #expect(mail.type == "multipart/alternative" && mail.partTypes == ["text/plain", "text/html"])
        #expect(mail.text == content.text.replacing("\n", with: "\r\n"))
        #expect(mail.html == content.html?.replacing("\n", with: "\r\n"))
        #expect(mail.date == MailSamples.time.timeIntervalSince1970)
        #expect(mail.fields["message-id"] == "<0123456789abcdef@example.com>")
        #expect(mail.fields["auto-submitted"] == "auto-generated" && mail.fields["mime-version"] == "1.0")
        #expect(mail.references.count == 1 && mail.fields["in-reply-to"] == mail.references.first)
        #expect(mail.fields["bcc"] == nil && mail.fields.count == 10)
    }

    @Test(arguments: [SMTPChannel.Authentication.plain, .login])
    func `The login mechanism can be chosen`(authentication: SMTPChannel.Authentication) async throws {
        let other = authentication == .plain ? "LOGIN" : "PLAIN"
        let server = try await MailServer(MailServer.Options(mechanisms: [other]))
        defer { server.stop() }
        var options = server.options()
        options.authentication = authentication
        let error = await #expect(throws: AlertChannelError.self) {
            try await SMTPChannel(options).send(MailSamples.notification())
        }
        #expect(error?.isPermanent == true && error?.message.hasSuffix("but offers only \(other)") == true)
        options.authentication = .automatic
        _ = try await SMTPChannel(options).send(MailSamples.notification())
        #expect(try server.messages.count == 1)
    }

    @Test func `A refused login is permanent, and the error gives advice`() async throws {
        let server = try await MailServer()
        defer { server.stop() }
        for authentication in [SMTPChannel.Authentication.plain, .login] {
            var options = server.options(login: ("etcd", "wrong-password"))
            options.authentication = authentication
            let error = await #expect(throws: AlertChannelError.self) {
                try await SMTPChannel(options).send(MailSamples.notification())
            }
            #expect(error?.isPermanent == true)
            #expect(error?.message.contains("refuses the login: 535 5.7.8") == true)
            #expect(error?.message.contains("check user and password") == true)
        }
        let error = await #expect(throws: AlertChannelError.self) {
            try await SMTPChannel(server.options(login: nil)).send(MailSamples.notification())
        }
        #expect(error?.isPermanent == true && error?.message.contains("set user and password") == true)
        #expect(try server.messages.isEmpty)
        _ = try await SMTPChannel(server.options()).send(MailSamples.notification())
        #expect(try server.messages.count == 1)
    }

    @Test func `A refused recipient does not keep the mail from the others`() async throws {
        let server = try await MailServer(
            MailServer.Options(refusedRecipients: ["gone@example.com", "left@example.com"])
        )
        defer { server.stop() }
        let some = server.options(to: ["gone@example.com", "ops@example.com", "left@example.com"])
        let answer = try await SMTPChannel(some).send(MailSamples.notification())
        #expect(
            answer.hasPrefix("250 2.0.0 Ok: queued as 1; refused: gone@example.com (550 5.1.1 There is no such user)")
        )
        #expect(answer.contains("left@example.com (550") && !answer.contains("ops@"))
        #expect(try server.messages.map(\.recipients) == [["ops@example.com"]])
        #expect(try server.messages[0].mail.to.count == 3)

        let all = server.options(to: ["gone@example.com", "left@example.com"])
        let error = await #expect(throws: AlertChannelError.self) {
            try await SMTPChannel(all).send(MailSamples.notification())
        }
        #expect(error?.isPermanent == true && error?.message.contains("refuses the recipient left@example.com") == true)
        #expect(try server.messages.count == 1)
    }

    @Test func `A greylisted mail is refused for now, and taken later as the same mail`() async throws {
        let server = try await MailServer(MailServer.Options(refusedRecipients: ["gone@example.com"], delays: 1))
        defer { server.stop() }
        let channel = SMTPChannel(server.options(to: ["ops@example.com", "gone@example.com"]))
        let error = await #expect(throws: AlertChannelError.self) { try await channel.send(MailSamples.notification()) }
        #expect(error?.isPermanent == false && error?.message.contains("451 4.7.1 Greylisted") == true)
        for _ in 0..<2 { _ = try await channel.send(MailSamples.notification()) }
        let mails = try server.messages.map(\.mail)
        #expect(mails.count == 2 && mails.first == mails.last)
    }

    @Test(arguments: [false, true])
    func `Each recipient gets the mail once through greylisting of one of them`(isChanged: Bool) async throws {
        let late = "late@example.com"
        let server = try await MailServer(MailServer.Options(delays: isChanged ? 2 : 1, delayedRecipients: [late]))
        defer { server.stop() }
        let channel = SMTPChannel(server.options(to: ["ops@example.com", late]))
        // With a change, both recipients get the new message, and none gets the old one.
        let ids = isChanged ? ["before", "news", "news"] : ["news", "news"]
        for id in ids.dropLast() {
            let error = await #expect(throws: AlertChannelError.self) {
                try await channel.send(MailSamples.notification(id: id))
            }
            #expect(error?.isPermanent == false && error?.mayHaveArrived == true)
            #expect(error?.message.contains("late@example.com (451 4.7.1 Greylisted") == true)
        }
        let answer = try await channel.send(MailSamples.notification(id: "news"))
        #expect(answer == "250 2.0.0 Ok: queued as \(ids.count)")
        let messages = try server.messages
        let news = messages.filter { $0.mail.fields["message-id"] == "<news@example.com>" }
        #expect(news.map(\.recipients) == [["ops@example.com"], [late]])
        #expect(messages.count == ids.count && messages.allSatisfy { $0.mail.to.count == 2 })
    }

    @Test func `A mail that is refused at its end is an error with the server's words`() async throws {
        for (refusal, isPermanent) in [("554 5.7.1 Looks like spam", true), ("452 4.3.1 Disk full", false)] {
            let server = try await MailServer(MailServer.Options(refusal: refusal))
            defer { server.stop() }
            let error = await #expect(throws: AlertChannelError.self) {
                try await SMTPChannel(server.options()).send(MailSamples.notification())
            }
            #expect(
                error?.isPermanent == isPermanent && error?.message.contains("refuses the mail: \(refusal)") == true
            )
        }
    }

    @Test func `A mail over the server's limit is not sent`() async throws {
        let server = try await MailServer(MailServer.Options(sizeLimit: 2000))
        defer { server.stop() }
        let error = await #expect(throws: AlertChannelError.self) {
            try await SMTPChannel(server.options()).send(MailSamples.notification())
        }
        #expect(error?.isPermanent == true && error?.message.contains("at most 2000 bytes") == true)
        let short = SMTPChannel(server.options()) { _ in MailContent(subject: "short", text: ".\n..\nlast line\n.") }
        _ = try await short.send(MailSamples.notification())
        let mail = try #require(try server.messages.first?.mail)
        #expect(mail.text == ".\r\n..\r\nlast line\r\n.\r\n" && mail.type == "text/plain" && mail.defects == [])
    }

    @Test func `An address that is not ASCII needs a server that takes it`() async throws {
        for takesUTF8 in [true, false] {
            let server = try await MailServer(MailServer.Options(takesUTF8: takesUTF8))
            defer { server.stop() }
            var options = server.options(to: ["Jörg <jörg@bücher.example>"])
            options.from = "wächter@example.com"
            do {
                _ = try await SMTPChannel(options).send(MailSamples.notification())
                let message = try #require(try server.messages.first)
                #expect(takesUTF8 && message.recipients == ["jörg@bücher.example"])
                #expect(message.sender == "wächter@example.com" && message.parameters.contains("SMTPUTF8"))
                #expect(message.mail.to == [ParsedMail.Address(name: "Jörg", address: "jörg@bücher.example")])
                #expect(message.mail.fields["message-id"] == "<0123456789abcdef@etcd-monitor.invalid>")
            } catch let error as AlertChannelError {
                #expect(!takesUTF8 && error.isPermanent && error.message.contains("wächter@example.com"))
            }
        }
    }

    @Test func `A server with an untrusted certificate, or one for another name, gets no mail`() async throws {
        for security in [SMTPChannel.Security.startTLS, .implicitTLS] {
            let names = (hosts: ["mail.example"], addresses: [String]())
            let server = try await MailServer(MailServer.Options(security: security, names: names))
            defer { server.stop() }
            var options = server.options()
            options.tls?.serverName = "mail.example"
            _ = try await SMTPChannel(options).send(MailSamples.notification())
            options.tls?.serverName = nil
            let wrongName = options
            options.tls = nil
            for options in [wrongName, options] {
                let error = await #expect(throws: AlertChannelError.self) {
                    try await SMTPChannel(options).send(MailSamples.notification())
                }
                #expect(
                    error?.isPermanent == false && error?.message.contains("certificate") == true,
                    "\(error ?? .init(""))"
                )
            }
            #expect(try server.messages.count == 1)
        }
    }

    @Test func `A login that is only offered before TLS is not used`() async throws {
        let server = try await MailServer(MailServer.Options(forgetsLogin: true))
        defer { server.stop() }
        let error = await #expect(throws: AlertChannelError.self) {
            try await SMTPChannel(server.options()).send(MailSamples.notification())
        }
        #expect(error?.message.hasSuffix("but offers no login") == true && error?.isPermanent == true)
        // The server works, but for the login.
        _ = try await SMTPChannel(server.options(login: nil)).send(MailSamples.notification())
        #expect(try server.messages.count == 1)
    }

    @Test func `A server that is down is a temporary failure`() async throws {
        let server = try await MailServer()
        let options = server.options()
        _ = try await SMTPChannel(options).send(MailSamples.notification())
        server.stop()
        let isDown = await eventually {
            do throws(AlertChannelError) {
                _ = try await SMTPChannel(options).send(MailSamples.notification())
                return false
            } catch {
                return !error.isPermanent && error.message.contains("localhost:\(options.port ?? 0) cannot be reached")
            }
        }
        #expect(isDown)
    }
}
