// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Texts of mails", .unit)
struct MailContentTests {
    private let down = MailSamples.alert()
    private let slow = MailSamples.alert("EtcdSlowFsync", severity: .warning, summary: "Writes are slow")
    private let hint = MailSamples.alert("EtcdHint", severity: .info, summary: "A hint")

    @Test func `The subject names the worst change`() {
        let cases: [(String, [(Alert, AlertNotification.Reason)], Int?)] = [
            ("[CRITICAL] prod-eu: Member etcd-1 does not answer", [(down, .fired)], nil),
            (
                "[CRITICAL] prod-eu: Member etcd-1 does not answer (+2 more)",
                [(hint, .fired), (down, .fired), (slow, .fired)], nil
            ),
            ("[WARNING] prod-eu: Writes are slow", [(slow, .changed)], nil),
            (
                "[WARNING] prod-eu: Writes are slow (+2 more)", [(down, .repeated), (slow, .fired), (hint, .resolved)],
                nil
            ),
            (
                "[REMINDER] prod-eu: Member etcd-1 does not answer (+1 more)", [(down, .repeated), (slow, .repeated)],
                nil
            ),
            ("[RESOLVED] prod-eu: Writes are slow", [(slow, .resolved)], nil),
            ("[RESOLVED] prod-eu: Writes are slow (1 still firing)", [(down, .repeated), (slow, .resolved)], nil),
            (
                "[RESOLVED] prod-eu: Member etcd-1 does not answer (+1 more, 3 still firing)",
                [(slow, .resolved), (down, .resolved)], 3
            ),
            ("[TEST] prod-eu: A hint", [(hint, .test)], nil),
            ("[INFO] prod-eu: A hint", [(hint, .fired)], nil),
            ("[REMINDER] : ", [], nil),
        ]
        for (subject, items, openCount) in cases {
            #expect(MailContent(MailSamples.notification(items, openCount: openCount)).subject == subject)
        }
    }

    @Test func `The plain text has the finding, its time, and the advice`() {
        var over = slow
        over.resolvedAt = MailSamples.time - 60
        let content = MailContent(MailSamples.notification([(down, .fired), (over, .resolved)]))
        #expect(
            content.text == """
                CRITICAL · prod-eu
                Member etcd-1 does not answer
                Since 30 Nov 2026, 00:50 UTC (3 min)

                The member does not answer. Look at its process and its machine.

                alert: EtcdMemberDown
                member: 8e9e05c52164694d
                silent: 1.5 min

                Runbook: https://docs.example/Monitoring.md#member-down


                RESOLVED · prod-eu
                Writes are slow
                From 30 Nov 2026, 00:50 UTC until 30 Nov 2026, 00:52 UTC (2 min)

                alert: EtcdSlowFsync
                member: 8e9e05c52164694d
                silent: 1.5 min

                Runbook: https://docs.example/Monitoring.md#member-down

                --\u{20}
                1 alert of prod-eu is firing now.
                Sent at 30 Nov 2026, 00:53 UTC by the channel mail.
                Monitor: https://monitor.example/

                """
        )
        var worse = down
        worse.pastSeverities = [.info, .warning]
        #expect(MailContent(MailSamples.notification([(worse, .changed)])).text.hasPrefix("CRITICAL, WAS WARNING · "))
        #expect(MailContent(MailSamples.notification([(down, .repeated)])).text.hasPrefix("CRITICAL, STILL FIRING · "))
        let test = MailContent(MailSamples.notification([(hint, .test)], externalURL: nil)).text
        #expect(test.hasPrefix("This is a test of the channel. Nothing has happened.\n") && !test.contains("firing"))
    }

    @Test func `HTML has the same words, and links only to the web`() throws {
        let html = try #require(MailContent(MailSamples.notification([(down, .repeated)])).html)
        for part in [
            "<h2>Member etcd-1 does not answer</h2>", "Critical, still firing", "Since 30 Nov 2026, 00:50 UTC (3 min)",
            "<p>The member does not answer. Look at its process and its machine.</p>",
            "<tr><th scope=\"row\">silent</th><td>1.5 min</td></tr>",
            "<a href=\"https://docs.example/Monitoring.md#member-down\">Runbook</a>",
            "<a href=\"https://monitor.example/\">Open the monitor</a>", "1 alert of prod-eu is firing now.",
        ] { #expect(html.contains(part), "\(part)") }
        #expect(!html.contains("<img") && !html.contains("url(") && !html.contains("<script"))
        for address in [
            "Docs/Monitoring.md#a", "javascript:alert(1)", "https://a b", "https://a\"onclick=x", "https:\\\\a",
        ] {
            let alert = MailSamples.alert(runbook: address)
            let html = try #require(MailContent(MailSamples.notification([(alert, .fired)], externalURL: address)).html)
            #expect(!html.contains("<a ") && html.contains("Runbook: \(address.inHTML)"))
        }
    }

    @Test func `No value can become HTML or an additional line`() throws {
        let evil = "<img src=x onerror='a'>\"&amp;\r\n\r\nRunbook: https://evil.example"
        let alert = MailSamples.alert(
            evil,
            cluster: evil,
            member: evil,
            summary: evil,
            description: evil,
            runbook: evil,
            figures: [evil: 1]
        )
        var notification = MailSamples.notification([(alert, .fired)], externalURL: evil)
        notification.channel = evil
        let content = MailContent(notification)
        let escaped = "&lt;img src=x onerror=&#39;a&#39;&gt;&quot;&amp;amp; Runbook: https://evil.example"
        let html = try #require(content.html)
        #expect(!html.contains("<img") && !html.contains("&amp;\"") && html.split(separator: escaped).count > 8)
        #expect(!content.text.contains("\nRunbook: https://evil"))
        #expect(!content.subject.contains("\n"))
    }

    @Test func `A text is put on one line`() {
        #expect(" a\r\n\u{0}b\u{2028}\u{85}c \t".oneLine == "a b c")
        #expect("a\u{202e}b\u{2066}c\u{200d}".oneLine == "abc")
        #expect("abc".cut(to: 3) == "abc" && "abcd".cut(to: 3) == "ab…" && "".oneLine.isEmpty)
        // A character of very many scalars is cut, too.
        let tall = "a" + String(repeating: "\u{301}", count: 1000)
        #expect(tall.count == 1 && tall.cut(to: 5).unicodeScalars.count == 5)
    }

    @Test func `Figures are shown with their units`() {
        for (name, value, text) in [
            ("silentSeconds", 90.0, "silent 1.5 min"), ("readSeconds", 0.0123, "read 12.3 ms"),
            ("ageSeconds", 7200, "age 2 h"),
            ("database_bytes", 2_147_483_648, "database 2 GiB"), ("freeBytes", 512, "free 512 B"),
            ("usedRatio", 0.815, "used 81.5 %"),
            ("bytesPerSecond", 2048, "bytes per second 2 KiB/s"),
            ("peer_sent_bytes_per_second", 2048, "peer sent 2 KiB/s"),
            ("callsPerSecond", 3.25, "calls 3.25/s"), ("limit", 3, "limit 3"), ("seconds", 3, "seconds 3 s"),
            ("faultTolerance", 0, "fault tolerance 0"), ("secondsLeft", -5, "seconds left -5"),
            ("fsync_p99_seconds", 0.5, "fsync p99 500 ms"),
            ("aBytes", .nan, "a nan GiB"), ("termID", 1e300, "term id 1e+300"),
        ] {
            let figure = MailFigure.text(name, value)
            #expect("\(figure.name) \(figure.value)" == text)
        }
    }
}
