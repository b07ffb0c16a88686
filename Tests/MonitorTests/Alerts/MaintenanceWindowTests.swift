// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertEngine: maintenance windows", .unit, .timeLimit(.minutes(1))) struct MaintenanceWindowTests {
    private func time(_ text: String) throws -> Date { try Date(text, strategy: .iso8601) }

    private func berlin() throws -> TimeZone { try #require(TimeZone(identifier: "Europe/Berlin")) }

    /// Whether the times lie in the window, one digit each.
    private func contains(_ window: MaintenanceWindow, _ times: String...) throws -> String {
        try times.map { window.contains(try time($0)) ? "1" : "0" }.joined()
    }

    @Test func `A window begins on its days and lasts its time`() throws {
        // 2026-03-07 is a Saturday.
        let window = MaintenanceWindow("backup", on: [.saturday], hour: 10, minute: 30, lasting: .seconds(3600))
        let times = try contains(
            window,
            "2026-03-07T10:29:59Z",
            "2026-03-07T10:30:00Z",
            "2026-03-07T11:29:59Z",
            "2026-03-07T11:30:00Z",
            "2026-03-06T10:45:00Z",
            "2026-03-08T10:45:00Z",
            "2026-03-14T10:45:00Z"
        )
        #expect(times == "0110001")
    }

    @Test func `A window may go over midnight, over some days and over the end of the year`() throws {
        let night = MaintenanceWindow("night", on: [.saturday], hour: 22, lasting: .seconds(4 * 3600))
        #expect(
            try contains(night, "2026-03-08T01:59:59Z", "2026-03-08T02:00:00Z", "2026-03-07T01:00:00Z") == "100"
        )
        // 2026-12-31 is a Thursday.
        let long = MaintenanceWindow("holidays", on: [.thursday], hour: 12, lasting: .seconds(4 * 86_400))
        #expect(
            try contains(
                long,
                "2026-12-31T11:59:59Z",
                "2026-12-31T12:00:00Z",
                "2027-01-04T11:59:59Z",
                "2027-01-04T12:00:00Z"
            ) == "0110"
        )
        let always = MaintenanceWindow("week", on: [.monday], hour: 0, lasting: .seconds(7 * 86_400))
        #expect(try contains(always, "2026-03-01T23:59:59Z", "2026-03-02T00:00:00Z", "2026-03-08T23:59:59Z") == "111")
    }

    @Test func `The hour and the days are those of the time zone, in summer and in winter`() throws {
        let window = MaintenanceWindow(
            "zone",
            on: [.sunday],
            hour: 0,
            minute: 30,
            lasting: .seconds(1800),
            in: try berlin()
        )
        // Half past midnight on Sunday in Berlin is still Saturday in UTC.
        #expect(
            try contains(
                window,
                "2026-02-28T23:29:59Z",
                "2026-02-28T23:30:00Z",
                "2026-02-28T23:59:59Z",
                "2026-07-04T22:29:59Z",
                "2026-07-04T22:30:00Z",
                "2026-07-04T23:00:00Z"
            ) == "011010"
        )
    }

    @Test func `When the clocks change, a window begins at its local time and keeps its length`() throws {
        // In Berlin, 02:00 became 03:00 on 2026-03-29, at 01:00 UTC; 03:00 becomes 02:00 on 2026-10-25, at 01:00 UTC.
        let night = MaintenanceWindow("night", hour: 1, lasting: .seconds(2 * 3600), in: try berlin())
        #expect(
            try contains(
                night,
                "2026-03-28T23:59:59Z",
                "2026-03-29T00:00:00Z",
                "2026-03-29T01:59:59Z",
                "2026-03-29T02:00:00Z"
            ) == "0110"
        )
        #expect(
            try contains(
                night,
                "2026-10-24T22:59:59Z",
                "2026-10-24T23:00:00Z",
                "2026-10-25T00:59:59Z",
                "2026-10-25T01:00:00Z"
            ) == "0110"
        )
    }

    @Test func `A missing hour is replaced by the next one, and of a repeated hour the first one counts`() throws {
        let window = MaintenanceWindow("gap", hour: 2, minute: 30, lasting: .seconds(1800), in: try berlin())
        #expect(
            try contains(window, "2026-03-29T01:29:59Z", "2026-03-29T01:30:00Z", "2026-03-29T02:00:00Z") == "010"
        )
        #expect(
            try contains(window, "2026-10-25T00:29:59Z", "2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z") == "010"
        )
    }

    @Test func `Extreme windows and times do not trap`() {
        let windows = [
            MaintenanceWindow("a", hour: .max, minute: .min, lasting: .seconds(Int64.max)),
            MaintenanceWindow("b", on: [], hour: 0, lasting: .seconds(-5)),
        ]
        for window in windows {
            for time in [Date.distantPast, .distantFuture, Date(timeIntervalSince1970: 1e18)] {
                _ = window.contains(time)
            }
        }
    }

    @Test func `Alerts are not sent in a window, and those that fire when it ends are sent then`() throws {
        let start = try time("2026-03-07T10:00:00Z")
        var bench = AlertBench([AlertRule("A") { _ in nil }, AlertRule("B") { _ in nil }]) {
            $0.maintenanceWindows = [
                MaintenanceWindow(
                    "backup",
                    on: [.saturday],
                    hour: 10,
                    lasting: .seconds(1800),
                    matching: [AlertMatcher("alertname", "A")]
                )
            ]
        }
        bench.now = start - 60
        bench.held = [AlertBench.Subject("A", "1"): .warning]
        bench.run(30)
        bench.held = [AlertBench.Subject("A", "2"): .warning, AlertBench.Subject("A", "3"): .warning]
        bench.run(40)
        #expect(bench.log() == ["fired A1", "fired A2", "fired A3", "resolved A1"])
        bench.held = [AlertBench.Subject("A", "3"): .warning, AlertBench.Subject("A", "4"): .warning]
        bench.held[AlertBench.Subject("A", "5")] = .warning
        bench.held[AlertBench.Subject("B")] = .warning
        bench.run(60)
        bench.held[AlertBench.Subject("A", "5")] = nil
        // The end of an alert that was sent is sent.
        #expect(bench.log().dropFirst(4) == ["fired B", "resolved A2"])
        let alert = try #require(bench.alert(AlertBench.Subject("A", "4")))
        let mutes = bench.engine.mutes(at: bench.now)
        #expect(bench.engine.reasonForSilence(of: alert, alert.id, mutes) == "maintenance backup")
        bench.run(1800)
        #expect(bench.log().dropFirst(6) == ["fired A4"])
    }
}
