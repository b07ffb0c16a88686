// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The console channel", .unit) struct ConsoleChannelTests {
    private static let time = Date(timeIntervalSince1970: 1_767_323_045.625)
    private static let news = AlertNotification.sample(
        [
            .init(.sample(since: time - 60), .fired),
            .init(
                Alert.sample("EtcdSlowDisk", severity: .warning, runbook: nil, since: time - 90).over(at: time),
                .resolved
            ),
        ],
        time: time
    )

    private static func lines(
        _ format: ConsoleChannel.Format,
        _ notification: AlertNotification = news
    ) async throws -> [String] {
        let lines = Lock<[String]>([])
        let answer = try await ConsoleChannel(format) { line in lines.withLock { $0.append(line) } }.send(notification)
        let count = lines.withLock { $0.count }
        #expect(answer == (count == 1 ? "1 line written" : "\(count) lines written"))
        return lines.withLock { $0 }
    }

    @Test("writes a line for people about each alert")
    func text() async throws {
        #expect(
            try await Self.lines(.text) == [
                "2026-01-02T03:04:05.625Z critical fired EtcdMemberDown cluster=prod code=member-down "
                    + "member=8e9e05c52164694d: etcd-1 is down (see https://docs.example/Monitoring.md#member-down)",
                "2026-01-02T03:04:05.625Z warning resolved EtcdSlowDisk cluster=prod code=member-down "
                    + "member=8e9e05c52164694d: etcd-1 is down",
            ]
        )
        #expect(try await Self.lines(.text, .sample(.sample())).count == 1)
    }

    @Test("writes a JSON object about each alert")
    func json() async throws {
        let lines = try await Self.lines(.json).map { try JSON(Array($0.utf8)) }
        try #require(lines.count == 2)
        let alert = Self.news.items[0].alert
        #expect(lines[0]["time"].text == "2026-01-02T03:04:05.625Z" && lines[0]["id"].text == alert.id)
        #expect(lines[0]["reason"].text == "fired" && lines[0]["severity"].text == "critical")
        #expect(lines[0]["labels"].texts == alert.labels && lines[0]["figures"]["silent_seconds"] == .number(12.5))
        #expect(lines[0]["summary"].text == alert.summary && lines[0]["description"].text == alert.description)
        #expect(lines[0]["runbook"].text == alert.runbook && lines[0]["activeSince"].text == "2026-01-02T03:03:05.625Z")
        #expect(lines[0]["firingSince"].date != nil && !lines[0].names.contains("resolvedAt"))
        #expect(lines[1]["resolvedAt"].text == "2026-01-02T03:04:05.625Z" && !lines[1].names.contains("runbook"))
    }

    @Test("shows each alert in one line, whatever its names contain")
    func hostileNames() async throws {
        let name = "a\nb\u{1b}[2J\u{7f}\u{202e}\u{2028}\u{e0041}\"é"
        let news = AlertNotification.sample(.sample(labels: ["subject": name], summary: name))
        let shown = #"a\u000ab\u001b[2J\u007f\u202e\u2028\udb40\udc41"é"#
        let formats = [ConsoleChannel.Format.text, .init { item, _ in item.alert.summary }]
        for format in formats {
            let lines = try await Self.lines(format, news)
            #expect(lines.count == 1 && lines[0].contains(shown))
        }
        let json = try #require(try await Self.lines(.json, news).first)
        #expect(json.unicodeScalars.allSatisfy { $0.isShown })
        #expect(try JSON(Array(json.utf8))["summary"].text == name, "the escapes are those of JSON")
        for format in [ConsoleChannel.Format.text, .json] {
            let lines = try await Self.lines(format, .hostile)
            #expect(lines.count == 300 && lines.allSatisfy { $0.unicodeScalars.allSatisfy { $0.isShown } })
        }
    }

    @Test("writes lines in a custom format")
    func customFormat() async throws {
        let format = ConsoleChannel.Format { "\($1.channel) \(ConsoleChannel.Format.text.line($0, $1))" }
        let expected = try await Self.lines(.text).map { "ops \($0)" }
        #expect(try await Self.lines(format) == expected)
    }

    @Test(
        "writes times to the millisecond, and limits those outside the calendar",
        arguments: [
            (0.0, "1970-01-01T00:00:00.000Z"), (1.25, "1970-01-01T00:00:01.250Z"), (-0.5, "1970-01-01T00:00:00.000Z"),
            (1.9999, "1970-01-01T00:00:01.999Z"), (1e300, "9999-12-31T23:59:59.000Z"),
            (-.infinity, "1970-01-01T00:00:00.000Z"),
            (.nan, "1970-01-01T00:00:00.000Z"),
        ]
    )
    func times(seconds: Double, text: String) { #expect(Date(timeIntervalSince1970: seconds).rfc3339 == text) }

    @Test("delays nothing while its output is blocked, and continues afterwards")
    func blockedOutput() async throws {
        let (gate, lines) = (DispatchSemaphore(value: 0), Lock<[String]>([]))
        let channel = ConsoleChannel { line in
            gate.wait()
            lines.withLock { $0.append(line) }
        }
        let news = AlertNotification.sample(.sample())
        let first = Task { await failure(channel, news) }
        try await Task.sleep(for: .milliseconds(100))
        first.cancel()
        #expect(await first.value?.mayHaveArrived == true)
        #expect(await failure(channel, news)?.mayHaveArrived == false)
        gate.signal()
        #expect(await eventually { lines.withLock { $0.count } == 1 })
        gate.signal()
        let isDelivered = await eventually { await failure(channel, news) == nil }
        #expect(isDelivered && lines.withLock { $0.count } == 2)
    }
}
