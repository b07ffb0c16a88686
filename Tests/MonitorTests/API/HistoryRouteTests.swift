// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HistoryRouteTests {
    private let api = MonitorAPI.over(FakeCluster())

    /// The range and the step that the cluster was asked for, in seconds.
    private func asked(_ query: [String: String]) async throws -> (from: Double, span: Double, step: Double) {
        let body = try await api.object("/api/v1/metrics/history", query.merging(["metric": "database_bytes"]) { $1 })
        let point = try #require((body["points"] as? [[String: Any]])?.first)
        let time = try Date(
            try #require(point["time"] as? String),
            strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        )
        let step = try #require(point["minimum"] as? Double)
        #expect(abs(try #require(body["stepSeconds"] as? Double) - step) < 1e-6)
        return (time.timeIntervalSince1970, try #require(point["mean"] as? Double), step)
    }

    @Test(arguments: [
        ("0", 0.0), ("1700000000.5", 1_700_000_000.5), ("1.5e9", 1_500_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000),
        ("2023-11-14T22:13:20.250Z", 1_700_000_000.25), ("2023-11-15T00:13:20+02:00", 1_700_000_000),
        // From a query in which the plus sign was not escaped.
        ("2023-11-15T00:13:20 02:00", 1_700_000_000), ("2023-11-14t22:13:20z", 1_700_000_000),
    ])
    func `Times are RFC 3339 or seconds since 1970`(text: String, seconds: Double) async throws {
        let from = try await asked(["from": text, "to": "1700003600"]).from
        #expect(abs(from - seconds) < 0.001)
    }

    @Test(arguments: [
        "", "now", "-1", "inf", "nan", "0x10", "1e300", "253402300800", "2023-11-14", "2023-11-14T22:13:20",
        "2023-13-14T22:13:20Z", "2023-11-14T22:13:20Zx", "2023-11-14 22:13:20Z", "99999-11-14T22:13:20Z", "1 2",
        "2023-11-14T22:13:20.Z", "٢٠٢٣-11-14T22:13:20Z",
    ])
    func `An invalid time is refused`(text: String) async throws {
        for name in ["from", "to"] {
            let problem = try await api.object("/api/v1/metrics/history", ["metric": "database_bytes", name: text])
            #expect(problem["type"] as? String == "urn:etcd-monitor:problem:invalid-parameter")
            #expect((problem["detail"] as? String)?.hasPrefix("\(name)=\(text): ") == true)
        }
    }

    @Test(arguments: [("30", 30.0), ("30s", 30), ("5m", 300), ("1h", 3600), ("1d", 86_400), ("2.5", 2.5), ("0.1", 1)])
    func `Steps are seconds or have a unit, and are one second at least`(text: String, seconds: Double) async throws {
        #expect(try await asked(["step": text]).step == seconds)
    }

    @Test(arguments: [
        "", "0", "0s", "-1", "1x", "s", "1.5m", "inf", "nan", "1000000", "1000000s", "1e99", "0x1p4", "1 s",
    ])
    func `An invalid step is refused`(text: String) async throws {
        let problem = try await api.object("/api/v1/metrics/history", ["metric": "database_bytes", "step": text])
        #expect(problem["type"] as? String == "urn:etcd-monitor:problem:invalid-parameter", "\(text)")
    }

    @Test func `The default range is the last hour in 500 steps`() async throws {
        let range = try await asked([:])
        #expect(range.span == 3600 && range.step == 7.2)
        #expect(abs(range.from + 3600 - Date().timeIntervalSince1970) < 60)
        let before = try await asked(["to": "1700003600"])
        #expect(before.from == 1_700_000_000 && before.span == 3600)
    }

    @Test func `A step that makes too many points is made longer`() async throws {
        #expect(abs(try await asked(["from": "0", "to": "1000000000", "step": "1"]).step - 100_000) < 1e-6)
        #expect(try await asked(["from": "0", "to": "1000", "step": "1"]).step == 1)
        #expect(try await asked(["from": "5", "to": "5"]).step == 1)
    }

    @Test func `A range that ends before it begins and an unknown metric are answered with problems`() async throws {
        let path = "/api/v1/metrics/history"
        let backwards = try await api.object(path, ["metric": "database_bytes", "from": "2", "to": "1"])
        #expect(backwards["type"] as? String == "urn:etcd-monitor:problem:invalid-parameter")
        #expect(try await api.object(path)["type"] as? String == "urn:etcd-monitor:problem:missing-parameter")
        let unknown = try await api.object(path, ["metric": "speed"])
        #expect(unknown["status"] as? Int == 404 && (unknown["detail"] as? String)?.hasPrefix("speed: ") == true)
    }
}
