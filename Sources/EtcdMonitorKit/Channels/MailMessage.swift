// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A mail in the format of RFC 5322: the head, and the text as plain text and HTML.
struct MailMessage: Sendable {
    /// The largest number of alerts whose conversations the mail joins.
    private static let referenceLimit = 40

    let from: MailAddress
    let to: [MailAddress]
    let notification: AlertNotification
    let content: MailContent

    /// The bytes, in lines that end with CRLF.
    var bytes: [UInt8] {
        var head =
            MailHeader.field("From", from.headerTokens)
            + MailHeader.field("To", recipients)
            + MailHeader.field("Subject", MailHeader.text(content.subject))
            + MailHeader.field("Date", [HTTPDate.text(notification.time.orFirst).dropLast(3) + "+0000"])
            + MailHeader.field("Message-ID", [identity(messageToken)])
        if let parent = references.last {
            head += MailHeader.field("In-Reply-To", [parent]) + MailHeader.field("References", references)
        }
        head += "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
        guard let html = content.html else { return Array((head + Self.part("plain", content.text)).utf8) }
        // No quoted-printable text starts like this, so the boundary occurs in no part.
        let boundary = "=_\(messageToken)"
        return Array(
            (head + "Content-Type: multipart/alternative;\r\n boundary=\"\(boundary)\"\r\n\r\n"
                + "--\(boundary)\r\n\(Self.part("plain", content.text))"
                + "--\(boundary)\r\n\(Self.part("html", html))"
                + "--\(boundary)--\r\n").utf8
        )
    }

    private static func part(_ kind: String, _ text: String) -> String {
        "Content-Type: text/\(kind); charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            + MailBody.quotedPrintable(text) + "\r\n"
    }

    private var recipients: [String] {
        to.enumerated().flatMap { index, address in
            var tokens = address.headerTokens
            if index < to.count - 1, let last = tokens.popLast() { tokens.append("\(last),") }
            return tokens
        }
    }

    // MARK: Identities

    /// The conversations that the mail belongs to: one for each alert, from its start to its end.
    ///
    /// None of them is a mail. Each mail about an alert names its conversation, so mail programs group the first mail,
    /// the reminders and the resolution, even if some of them are lost. Alerts that were sent together once share a
    /// thread from then on. The oldest conversation comes first, and the order is the same in each mail. The next time
    /// that the same rule holds for the same subject is a new conversation.
    private var references: [String] {
        if notification.isTest { return [] }
        let alerts = notification.items.map(\.alert).map { alert in
            (
                beginning: Int(exactly: alert.activeSince.timeIntervalSince1970.rounded(.down)) ?? 0,
                id: alert.id.prefix(32)
            )
        }
        return alerts.sorted { $0 < $1 }.prefix(Self.referenceLimit).map { identity("\($0.id).\($0.beginning)") }
    }

    private func identity(_ local: String) -> String {
        // An identity is ASCII, even between servers that support UTF-8 in addresses.
        "<\(local)@\(from.needsUTF8 ? "etcd-monitor.invalid" : from.domain)>"
    }

    /// The identity of the notification, or a digest of it if a mail cannot have its characters or its length.
    private var messageToken: String {
        let id = notification.id
        let isFine = id.unicodeScalars.allSatisfy { MailAddress.isLetterOrDigit($0) || $0 == "-" || $0 == "_" }
        return isFine && (1...64).contains(id.utf8.count) ? id : Alert.id(of: ["notification": id])
    }
}

/// The text of a mail in quoted-printable (RFC 2045, section 6.7).
enum MailBody {
    /// Encodes a text, without a line break after the last line.
    ///
    /// Line breaks of any kind become CRLF. Other control characters become spaces.
    static func quotedPrintable(_ text: String) -> String {
        let bytes = Array(text.utf8)
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 2)
        var column = 0
        func put(_ piece: [UInt8]) {
            if column + piece.count > 75 {
                output += Array("=\r\n".utf8)
                column = 0
            }
            output += piece
            column += piece.count
        }
        for (index, byte) in bytes.enumerated() {
            let next = index + 1 < bytes.count ? bytes[index + 1] : newline
            switch byte {
            case carriageReturn where next == newline && index + 1 < bytes.count: break
            case newline, carriageReturn:
                output += [carriageReturn, newline]
                column = 0
            case 32, 9:
                let isLast = next == newline || next == carriageReturn
                put(isLast ? encoded(byte) : [byte])
            case 33...60, 62...126: put([byte])
            case 0..<32, 127: put(encoded(32))
            default: put(encoded(byte))
            }
        }
        return String(decoding: output, as: UTF8.self)
    }

    private static let (newline, carriageReturn) = (UInt8(ascii: "\n"), UInt8(ascii: "\r"))

    private static func encoded(_ byte: UInt8) -> [UInt8] {
        let digits = Array("0123456789ABCDEF".utf8)
        return [UInt8(ascii: "="), digits[Int(byte >> 4)], digits[Int(byte & 15)]]
    }
}
