// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Mails on the wire", .cluster)
struct MailMessageTests {
    private static func message(_ notification: AlertNotification, _ content: MailContent? = nil) throws -> [UInt8] {
        MailMessage(
            from: try MailAddress("etcd <etcd@example.com>", setting: "from"),
            to: [try MailAddress("ops@example.com", setting: "to")],
            notification: notification,
            content: content ?? MailContent(notification)
        ).bytes
    }

    private static func head(_ notification: AlertNotification, _ content: MailContent? = nil) throws -> [String:
        String]
    {
        let text = String(decoding: try message(notification, content), as: UTF8.self)
        let head = text.prefix(upTo: try #require(text.firstRange(of: "\r\n\r\n")).lowerBound)
        let lines = head.replacing("\r\n ", with: " ").split(separator: "\r\n").map {
            $0.split(separator: ": ", maxSplits: 1)
        }
        return Dictionary(lines.map { (String($0[0]), String($0.last ?? "")) }) { $1 }
    }

    @Test func `A short mail has exactly the expected bytes`() throws {
        let content = MailContent(subject: "Größe = 1", text: "a=b \n.\r\nü\tx\t\u{0}\rend")
        let alert = MailSamples.alert()
        let root = "<\(alert.id.prefix(32)).1795999820@example.com>"
        let text = """
            From: etcd <etcd@example.com>
            To: ops@example.com
            Subject: =?UTF-8?B?R3LDtsOfZSA9IDE=?=
            Date: Mon, 30 Nov 2026 00:53:20 +0000
            Message-ID: <0123456789abcdef@example.com>
            In-Reply-To: \(root)
            References: \(root)
            Auto-Submitted: auto-generated
            MIME-Version: 1.0
            Content-Type: text/plain; charset=utf-8
            Content-Transfer-Encoding: quoted-printable

            a=3Db=20
            .
            =C3=BC\tx\t=20
            end

            """
        let bytes = try Self.message(MailSamples.notification([(alert, .fired)]), content)
        #expect(String(decoding: bytes, as: UTF8.self) == text.replacing("\n", with: "\r\n"))
    }

    @Test func `The identity is the same in each attempt, and has only valid characters`() throws {
        let id = try #require(try Self.head(MailSamples.notification())["Message-ID"])
        var later = MailSamples.notification()
        later.time += 3600
        #expect(try Self.head(later)["Message-ID"] == id && id == "<0123456789abcdef@example.com>")
        var ids: Set<String> = [id]
        for other in ["other", "a b", "a>\r\nBcc: x", "", String(repeating: "a", count: 65), "ä"] {
            let id = try #require(try Self.head(MailSamples.notification(id: other))["Message-ID"])
            #expect(id.wholeMatch(of: /<[A-Za-z0-9_-]{1,64}@example\.com>/) != nil && ids.insert(id).inserted)
        }
    }

    @Test func `The first mail, the reminder and the end of an alert are in one thread`() throws {
        let alert = MailSamples.alert()
        var other = MailSamples.alert(member: "1")
        other.activeSince += 60
        let conversations = try [
            [(alert, AlertNotification.Reason.fired)], [(alert, .repeated)], [(alert, .resolved)], [(other, .fired)],
            [(other, .fired), (alert, .changed)],
        ].map { try Set((Self.head(MailSamples.notification($0))["References"] ?? "").split(separator: " ")) }
        #expect(Set(conversations[0...2]).count == 1 && conversations[0].count == 1)
        #expect(conversations[3].isDisjoint(with: conversations[0]) && conversations[3].count == 1)
        // Alerts in one mail are in one thread, from the oldest on.
        #expect(conversations[4] == conversations[0].union(conversations[3]))
        let both = try Self.head(MailSamples.notification([(other, .fired), (alert, .changed)]))
        #expect(both["References"]?.hasPrefix(conversations[0].first ?? "?") == true)
        #expect(both["In-Reply-To"].map { [Substring($0)] } == Array(conversations[3]))
        // The next beginning is another thread.
        var again = alert
        again.activeSince += 86400
        #expect(
            try Self.head(MailSamples.notification([(again, .fired)]))["References"].map { [Substring($0)] }
                != Array(conversations[0])
        )
        #expect(try Self.head(MailSamples.notification([(alert, .test)]))["References"] == nil)
    }

    @Test func `A mail about very many alerts stays within bounds`() throws {
        let text = String(repeating: "ü", count: 10_000)
        let items = (0..<5000).map { number in
            let alert = MailSamples.alert(
                member: "\(number)\(text)",
                summary: text,
                description: text,
                runbook: text,
                figures: Dictionary(uniqueKeysWithValues: (0..<50).map { ("f\($0)", .nan) })
            )
            return (alert, AlertNotification.Reason.fired)
        }
        let bytes = try Self.message(MailSamples.notification(items))
        #expect(bytes.count < 2 << 20)
        #expect(bytes.split(separator: UInt8(ascii: "\n")).allSatisfy { $0.count <= 79 })
    }

    @Test(arguments: [Double.nan, .infinity, -.infinity, 1e300, -1e300])
    func `Times and figures beyond all bounds do not stop a mail`(value: Double) throws {
        var alert = MailSamples.alert(figures: ["aBytes": value, "bSeconds": value, "c_ratio": value, "d": value])
        alert.activeSince = Date(timeIntervalSince1970: value)
        alert.resolvedAt = Date(timeIntervalSince1970: -value)
        for reason in AlertNotification.Reason.allCases {
            var notification = MailSamples.notification([(alert, reason)], openCount: .max)
            notification.time = Date(timeIntervalSince1970: value)
            #expect(try Self.head(notification)["Date"]?.hasSuffix(" +0000") == true)
        }
    }

    // MARK: Against Python

    @Test(
        .enabled(if: Python.path != nil, "python3 is not on PATH"),
        .timeLimit(.minutes(2)),
        arguments: [1, 2, 3] as [UInt64]
    )
    func `Random texts are decoded unchanged`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var mails: [(bytes: [UInt8], content: MailContent, to: [MailAddress])] = []
        for _ in 0..<100 {
            let content = MailContent(
                subject: Self.text(&random),
                text: Self.text(&random),
                html: Bool.random(using: &random) ? Self.text(&random) : nil
            )
            let to = try (0..<Int.random(in: 1...5, using: &random)).map { number in
                let name = Self.name(&random)
                let quoted = name.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
                return try MailAddress("\"\(quoted)\" <a\(number)@example.com>", setting: "to")
            }
            let alerts = (0..<Int.random(in: 1...50, using: &random)).map {
                (MailSamples.alert(member: "\($0)"), AlertNotification.Reason.fired)
            }
            let message = MailMessage(
                from: to[0],
                to: to,
                notification: MailSamples.notification(alerts),
                content: content
            )
            mails.append((message.bytes, content, to))
        }
        let parsed = try ParsedMail.parse(mails.map(\.bytes))
        try #require(parsed.count == mails.count)
        for (mail, parsed) in zip(mails, parsed) {
            #expect(parsed.defects == [] && parsed.looseLineEnds == 0 && parsed.longestLine <= 78)
            Self.compare(parsed.subject, mail.content.subject.oneLine.cut(to: 250))
            Self.compare(parsed.text ?? "", Self.onWire(mail.content.text) + (mail.content.html == nil ? "\r\n" : ""))
            Self.compare(parsed.html ?? "", Self.onWire(mail.content.html ?? ""))
            #expect(parsed.to.map(\.address) == mail.to.map(\.address))
            for (parsed, meant) in zip(parsed.to, mail.to) { Self.compare(parsed.name, meant.name) }
            #expect(parsed.partTypes == (mail.content.html == nil ? ["text/plain"] : ["text/plain", "text/html"]))
        }
    }

    /// Compares scalars, because strings are equal too if they only look the same.
    private static func compare(_ text: String, _ meant: String) {
        let isSame = text.unicodeScalars.elementsEqual(meant.unicodeScalars)
        #expect(isSame, "\(text.debugDescription) is not \(meant.debugDescription)")
    }

    /// A text with the line ends of the wire, and with spaces for other control characters.
    private static func onWire(_ text: String) -> String {
        var output = String.UnicodeScalarView()
        var last: Unicode.Scalar = " "
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 10 where last == "\r": break
            case 10, 13: output += "\r\n".unicodeScalars
            case 9: output.append(scalar)
            case 0..<32, 127: output.append(" ")
            default: output.append(scalar)
            }
            last = scalar
        }
        return String(output)
    }

    /// A text that may be the name before an address.
    private static func name(_ random: inout SplitMix64) -> String {
        let bad: Set<Unicode.GeneralCategory> = [.format, .unassigned, .privateUse]
        let scalars = text(&random).oneLine.cut(to: 80).unicodeScalars
        return String(String.UnicodeScalarView(scalars.filter { !bad.contains($0.properties.generalCategory) }))
            .oneLine
    }

    private static func text(_ random: inout SplitMix64) -> String {
        let pieces = [
            "a", "b", "word", "=", "?", "=?", "?=", "=?UTF-8?B?YQ==?=", ".", "\r\n.\r\n", "\r\n", "\n", "\r", "\u{0}",
            "\t", " ",
            "  ", "ü", "e\u{301}", "漢字", "🚨", "👩‍👩‍👧", "\u{7f}", "\u{85}", "\u{2028}", "\u{202e}", "שלום", "\"", "\\", "(",
            ")", "<", ">", "@",
            ",", ";", ":", "--", "From ", "--=_", "_", "\u{feff}", "\u{fffd}", "\u{10ffff}",
            "\r\nBcc: x@example.com\r\n\r\n",
            String(repeating: "x", count: 100), String(repeating: "ж", count: 70), "Müller, Jörg",
            "z z z z z z z z z z z z",
        ]
        return (0..<Int.random(in: 0...30, using: &random)).map { _ in pieces.randomElement(using: &random) ?? "" }
            .joined()
    }
}
