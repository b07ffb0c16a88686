// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A connection to a server that sends commands and receives replies until a deadline.
struct SMTPConnection {
    /// The server, for messages.
    let peer: String
    let deadline: ContinuousClock.Instant
    /// The texts that must appear in no message.
    let secrets: [String]
    let stream: ByteStream
    private var unread: [UInt8] = []

    /// Connects, and makes the TLS handshake if the connection begins with TLS.
    init(_ settings: SMTPSettings) async throws(AlertChannelError) {
        peer = settings.endpoint.description
        deadline = .after(settings.timeout)
        secrets = settings.login?.secrets ?? []
        do throws(ByteStreamError) {
            stream = try await ByteStream.connect(
                to: settings.endpoint,
                tls: settings.security == .implicitTLS ? settings.tls : nil,
                timeout: settings.timeout
            )
        } catch {
            throw Self.failure(peer, "cannot be reached", error)
        }
    }

    /// Whether there are unexpected bytes.
    var hasUnread: Bool { !unread.isEmpty }

    /// The server's IP address.
    var peerAddress: String {
        let address = stream.remoteAddress
        let host = address.lastIndex(of: ":").map { address[..<$0] } ?? address[...]
        return host.filter { !"[]".contains($0) }
    }

    /// Sends a command, or the lines of a mail, and receives the reply.
    ///
    /// - Parameters:
    ///   - text: The bytes, with their line breaks.
    ///   - step: A short name of the step, for errors.
    /// - Returns: The reply, even if it is a refusal.
    /// - Throws: The reason why there is none.
    mutating func exchange(_ text: [UInt8], _ step: String) async throws(AlertChannelError) -> SMTPReply {
        do throws(ByteStreamError) {
            try await stream.write(text, deadline: deadline)
        } catch {
            // The server may have sent the reason before it closed the connection.
            if error.reason == .reset, let reply = try? await reply(to: step), reply.code >= 400 { return reply }
            throw Self.failure(peer, "gives no answer to \(step)", error)
        }
        return try await reply(to: step)
    }

    /// Receives a reply.
    mutating func reply(to step: String) async throws(AlertChannelError) -> SMTPReply {
        var parser = SMTPReplyParser()
        while true {
            do throws(SMTPReplyParser.Malformed) {
                if let reply = try parser.next(&unread) { return reply }
            } catch {
                let quote = error.line.isEmpty ? "" : ": \(SMTPReply.quote(error.line, without: secrets))"
                throw AlertChannelError("\(peer) gives no answer to \(step): \(error.reason)\(quote)")
            }
            unread += try await read(step)
        }
    }

    private func read(_ step: String) async throws(AlertChannelError) -> [UInt8] {
        let bytes: [UInt8]
        do throws(ByteStreamError) {
            bytes = try await stream.read(upTo: 4096, deadline: deadline)
        } catch {
            throw Self.failure(peer, "gives no answer to \(step)", error)
        }
        if bytes.isEmpty { throw AlertChannelError("\(peer) gives no answer to \(step): it closed the connection") }
        return bytes
    }

    /// Switches to TLS.
    mutating func secure(_ settings: SMTPSettings) async throws(AlertChannelError) {
        do throws(ByteStreamError) {
            try await stream.secure(with: settings.tls, serverName: settings.endpoint.host, deadline: deadline)
        } catch {
            throw Self.failure(peer, "cannot establish TLS", error)
        }
    }

    private static func failure(_ peer: String, _ text: String, _ error: ByteStreamError) -> AlertChannelError {
        let isPermanent = error.reason == .misconfigured
        return AlertChannelError("\(peer) \(text): \(error.message.oneLine.cut(to: 300))", isPermanent: isPermanent)
    }
}
