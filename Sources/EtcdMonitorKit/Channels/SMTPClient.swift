// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Delivers one mail by SMTP (RFC 5321).
struct SMTPClient {
    /// How long the server has to answer `QUIT`, after it has accepted or refused the mail.
    private static let farewellTimeout = Duration.seconds(2)

    private let settings: SMTPSettings
    private var connection: SMTPConnection
    private var capabilities = SMTPCapabilities()

    /// Delivers a mail.
    ///
    /// - Parameters:
    ///   - message: The mail, in lines that end with CRLF.
    ///   - settings: The server, the login and the addresses.
    ///   - served: The addresses of recipients that already have the mail.
    /// - Returns: The recipients that receive the mail, and those that the server refuses.
    /// - Throws: The reason why no recipient has the mail, or why the attempt failed.
    static func deliver(
        _ message: [UInt8],
        _ settings: SMTPSettings,
        except served: Set<String>
    ) async throws(AlertChannelError) -> SMTPDelivery {
        var client = SMTPClient(settings: settings, connection: try await SMTPConnection(settings))
        defer { client.connection.stream.close() }
        try await client.open()
        if let login = settings.login { try await client.logIn(login) }
        let delivery = try await client.send(message, except: served)
        await client.quit()
        return delivery
    }

    private init(settings: SMTPSettings, connection: SMTPConnection) {
        self.settings = settings
        self.connection = connection
    }

    // MARK: Beginning

    /// Establishes the required protection, and learns the server's capabilities.
    private mutating func open() async throws(AlertChannelError) {
        let greeting = try await connection.reply(to: "the connection")
        if greeting.code != 220 { throw refusal(greeting, "does not serve this machine") }
        try await greet()
        if settings.security != .startTLS { return }
        guard capabilities.offersStartTLS else {
            let hint = "it offers no STARTTLS; servers that begin with TLS usually use port 465"
            throw AlertChannelError("\(connection.peer) cannot be used: \(hint)", isPermanent: true)
        }
        let reply = try await ask("STARTTLS")
        if reply.code != 220 { throw refusal(reply, "refuses STARTTLS") }
        // An attacker in between could insert them, and they would count as sent within TLS.
        if connection.hasUnread {
            throw AlertChannelError("\(connection.peer) cannot be used: it sent data between STARTTLS and TLS")
        }
        try await connection.secure(settings)
        // Everything the server said before TLS is void.
        capabilities = SMTPCapabilities()
        try await greet()
    }

    private mutating func greet() async throws(AlertChannelError) {
        let reply = try await ask("EHLO", settings.heloName)
        if reply.code == 250 {
            capabilities = SMTPCapabilities(reply)
            return
        }
        guard (500...504).contains(reply.code) else { throw refusal(reply, "refuses EHLO") }
        let second = try await ask("HELO", settings.heloName)
        if second.code != 250 { throw refusal(second, "refuses HELO") }
    }

    // MARK: Login

    private mutating func logIn(_ login: SMTPLogin) async throws(AlertChannelError) {
        if settings.security == .none && !SMTPLogin.isThisMachine(connection.peerAddress) {
            let reason = "cannot be used: the password is not sent without TLS to another machine"
            throw AlertChannelError("\(connection.peer) \(reason)", isPermanent: true)
        }
        let offered = capabilities.mechanisms ?? []
        guard let mechanism = login.mechanisms.first(where: { offered.contains($0.rawValue) }) else {
            let wanted = login.mechanisms.map(\.rawValue).joined(separator: " or ")
            let others = SMTPReply.quote(offered.joined(separator: ", "), without: connection.secrets)
            let offer = offered.isEmpty ? "no login" : "only \(others)"
            let reason = "cannot be used: it must offer AUTH \(wanted), but offers \(offer)"
            throw AlertChannelError("\(connection.peer) \(reason)", isPermanent: true)
        }
        var reply: SMTPReply
        switch mechanism {
        case .plain: reply = try await ask("AUTH", "PLAIN \(login.plainToken)")
        case .login:
            reply = try await ask("AUTH", "LOGIN")
            for token in [login.userToken, login.passwordToken] where reply.code == 334 {
                reply = try await connection.exchange(Array("\(token)\r\n".utf8), "the login")
            }
        }
        if reply.code != 235 { throw refusal(reply, "refuses the login", Self.hint(reply.code)) }
    }

    private static func hint(_ code: Int) -> String {
        switch code {
        case 535: "check user and password; some services need an app password"
        case 530, 538: "the server requires TLS"
        case 534: "the server requires a stronger login mechanism"
        case 500...599: "check user, password and login mechanism"
        default: ""
        }
    }

    // MARK: Mail

    private mutating func send(
        _ message: [UInt8],
        except served: Set<String>
    ) async throws(AlertChannelError) -> SMTPDelivery {
        let sender = try mailParameters(message.count)
        let reply = try await ask("MAIL", "FROM:<\(settings.from.address)>\(sender)")
        if reply.code != 250 {
            let hint =
                reply.code == 530 && settings.login == nil ? "the server requires a login: set user and password" : ""
            throw refusal(reply, "refuses the sender \(settings.from.address)", hint)
        }
        var delivery = try await nameRecipients(except: served)
        if delivery.taken.isEmpty { return delivery }
        let start = try await ask("DATA")
        if start.code != 354 { throw refusal(start, "refuses the mail") }
        let answer: SMTPReply
        do throws(AlertChannelError) {
            answer = try await connection.exchange(Self.stuffed(message), "the mail")
        } catch {
            var error = error
            error.mayHaveArrived = true
            throw error
        }
        if answer.code / 100 != 2 { throw refusal(answer, "refuses the mail") }
        delivery.answer = answer.quoted(without: connection.secrets)
        return delivery
    }

    private func mailParameters(_ size: Int) throws(AlertChannelError) -> String {
        var parameters = ""
        if let limit = capabilities.sizeLimit, size > limit {
            let reason = "accepts mails of at most \(limit) bytes, not \(size)"
            throw AlertChannelError("\(connection.peer) \(reason)", isPermanent: true)
        }
        if capabilities.takesSize { parameters += " SIZE=\(size)" }
        if let address = ([settings.from] + settings.to).first(where: \.needsUTF8) {
            guard capabilities.offersUTF8 else {
                let hint = "write the domain in its ASCII form, which begins with xn--"
                let reason = "accepts only ASCII addresses, not \(address.address); \(hint)"
                throw AlertChannelError("\(connection.peer) \(reason)", isPermanent: true)
            }
            parameters += " SMTPUTF8"
        }
        return parameters
    }

    /// Sends the recipients that do not have the mail yet.
    ///
    /// - Returns: The replies about the recipients, without an answer to the mail.
    /// - Throws: The last refusal if no recipient has the mail or may get it; it is temporary if one of them was.
    private mutating func nameRecipients(
        except served: Set<String>
    ) async throws(AlertChannelError) -> SMTPDelivery {
        var delivery = SMTPDelivery()
        var last = AlertChannelError("to: no recipient is set", isPermanent: true)
        var seen = served
        for address in settings.to.map(\.address) where seen.insert(address).inserted {
            let reply = try await ask("RCPT", "TO:<\(address)>")
            if reply.code / 100 == 2 {
                delivery.taken.insert(address)
                continue
            }
            let error = refusal(reply, "refuses the recipient \(address)")
            // The server has closed the connection.
            if reply.code == 421 { throw error }
            let text = "\(address) (\(reply.quoted(without: connection.secrets)))"
            if error.isPermanent { delivery.refused.append(text) } else { delivery.putOff.append(text) }
            if last.isPermanent || !error.isPermanent { last = error }
        }
        if delivery.taken.isEmpty && served.isEmpty { throw last }
        return delivery
    }

    /// The mail with a second dot before each dot at the start of a line, and with the final line.
    private static func stuffed(_ message: [UInt8]) -> [UInt8] {
        let (dot, newline) = (UInt8(ascii: "."), UInt8(ascii: "\n"))
        var output: [UInt8] = []
        output.reserveCapacity(message.count + 64)
        var last = newline
        for byte in message {
            if last == newline && byte == dot { output.append(dot) }
            output.append(byte)
            last = byte
        }
        return output + Array((last == newline ? ".\r\n" : "\r\n.\r\n").utf8)
    }

    /// Ends the session.
    ///
    /// The mail is delivered already, so a failure does not matter.
    private mutating func quit() async {
        let deadline = min(connection.deadline, .after(Self.farewellTimeout))
        guard (try? await connection.stream.write(Array("QUIT\r\n".utf8), deadline: deadline)) != nil else { return }
        _ = try? await connection.stream.read(deadline: deadline)
    }

    // MARK: Commands

    /// Sends a command and receives the reply.
    private mutating func ask(_ command: String, _ rest: String = "") async throws(AlertChannelError) -> SMTPReply {
        let line = rest.isEmpty ? "\(command)\r\n" : "\(command) \(rest)\r\n"
        return try await connection.exchange(Array(line.utf8), command)
    }

    /// The error for an unexpected reply.
    private func refusal(_ reply: SMTPReply, _ text: String, _ hint: String = "") -> AlertChannelError {
        let quote = reply.quoted(without: connection.secrets)
        let reason = reply.code == 421 ? "closes the connection" : text
        let advice = hint.isEmpty ? "" : " (\(hint))"
        let isPermanent = (500...599).contains(reply.code)
        return AlertChannelError("\(connection.peer) \(reason): \(quote)\(advice)", isPermanent: isPermanent)
    }
}
