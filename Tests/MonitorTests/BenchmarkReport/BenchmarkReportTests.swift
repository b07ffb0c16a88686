// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("BenchmarkReport", .unit)
struct BenchmarkReportTests {
    private static let limits = {
        var limits = BenchmarkLimits()
        limits.p99 = .milliseconds(50)
        limits.minimumRate = 2
        return limits
    }()

    @Test("shows the measured figures and the duration in text, and draws the histogram")
    func text() {
        var result = BenchmarkResult.sample([Array(repeating: 2, count: 30) + Array(repeating: 8, count: 10)])
        result.errors = ["unavailable": 3]
        let text = BenchmarkReport(result).text
        #expect(text.hasPrefix("write: 40 writes in 1 s, 40 per second, 3 errors\n  etcd 3.5.16 at 10.0.0.1:2379\n"))
        #expect(
            text.contains(
                "  amount 40 writes, callers 64, connections 1, key size 8 B, value size 256 B, keys 1,000,\n"
            )
        )
        #expect(text.contains("\nLATENCY of 40\n"))
        #expect(text.contains(#/\n +mean +p50 +p90 +p95 +p99 +p99\.9 +max\n +3\.5 ms +2 ms +8 ms /#), "\(text)")
        let bars = text.split(separator: "\n").filter { $0.contains("█") }
        #expect(bars.map { $0.count { $0 == "█" } } == [40, 13])
        #expect(bars.first?.hasSuffix("75 %     75 %") == true && bars.last?.hasSuffix("25 %    100 %") == true)
        #expect(text.contains("\n  processor time of the client  2 ms, 50 µs per write\n"))
        #expect(text.contains("\nERRORS\n  unavailable  3"))
        #expect(!text.contains("LIMITS") && !text.contains("COMPARED") && !text.contains("ended early"))
        #expect(text.split(separator: "\n").allSatisfy { $0.count <= 102 })
    }

    @Test("names the limits that are missed, and the regressions")
    func judgement() {
        let (good, bad) = (BenchmarkResult.sample([[1, 2, 3, 4]]), BenchmarkResult.sample([[1, 2, 3, 100]]))
        let kept = BenchmarkReport(good, checks: Self.limits.check(good), baseline: good)
        #expect(kept.text.contains("\nLIMITS\n  met     p99_ms 4, at most 50\n  met     ops_per_s 4, at least 2\n"))
        #expect(kept.verdict.isGood && kept.verdict.text == "all limits met, not worse than before")
        #expect(kept.text.contains("COMPARED with the run of 21 Sep 2026, 14:13 UTC, with a tolerance of 10 %\n"))
        #expect(!kept.text.contains("worse\n") && !kept.text.contains("complete") && !kept.text.contains("error_ratio"))
        let missed = BenchmarkReport(bad, checks: Self.limits.check(bad), baseline: good)
        #expect(missed.text.contains("\n  missed  p99_ms 99.9, at most 50\n"))
        #expect(missed.text.contains(/\n  p99_ms +4 → +99\.9 +\+2,397 %  worse\n/), "\(missed.text)")
        #expect(missed.verdict == ("1 of 2 limits missed", false))
        #expect(BenchmarkReport(bad, baseline: good).verdict == ("worse than before", false))
        #expect(BenchmarkReport(bad, baseline: good, tolerance: 30).verdict.isGood)
        #expect(BenchmarkReport(bad).verdict == ("", true))
    }

    @Test("says that a benchmark has ended early")
    func early() throws {
        let refused = BenchmarkReport(.sample(), endReason: "the quota\nis near")
        #expect(refused.text.contains("\n  ended early: the quota is near\n"))
        #expect(refused.verdict == ("ended early", false))
        var stuck = BenchmarkResult.sample()
        stuck.isComplete = false
        #expect(BenchmarkReport(stuck).endReason == "no operation has succeeded for ten seconds")
        #expect(try BenchmarkReport(stuck).json["ended_early"] as? String != nil)
        var left = BenchmarkResult.sample()
        left.cleanupFailure = "keys are left"
        #expect(BenchmarkReport(left).text.contains("\n  not cleaned up: keys are left\n"))
    }

    @Test("is one object of JSON, which can be compared with later")
    func json() throws {
        let result = BenchmarkResult.sample()
        let report = BenchmarkReport(result, checks: Self.limits.check(result), baseline: .sample([[1]]))
        let json = try report.json
        #expect(json["op"] as? String == "write" && json["ops"] as? Int == 8 && json["ops_per_s"] as? Double == 4)
        #expect((json["limits"] as? [[String: Any]])?.map { $0["isMet"] as? Bool } == [false, true])
        #expect(((json["comparison"] as? [String: Any])?["changes"] as? [Any])?.isEmpty == false)
        #expect(json["ended_early"] == nil)
        let plain = try BenchmarkReport(result).json
        #expect(plain["limits"] == nil && plain["comparison"] == nil)
        let read = try JSONDecoder().decode(BenchmarkResult.self, from: Data(try JSONBody.bytes(of: report)))
        #expect(read.operations == 8 && read.intervals.map(\.operations) == [4, 4] && read.latency.count == 8)
        #expect(BenchmarkReport(result, baseline: read).comparison?.isRegression == false)
    }

    @Test("has a text for a result without any operation, and for each kind", arguments: BenchmarkKind.allCases)
    func empty(kind: BenchmarkKind) {
        var result = BenchmarkResult(options: BenchmarkOptions(kind))
        result.errors = ["unavailable": 9]
        result.isComplete = false
        let text = BenchmarkReport(result, baseline: result).text
        #expect(text.hasPrefix("\(kind.rawValue): 0 \(kind.noun)s in 0 µs, 0 per second, 9 errors\n"), "\(text)")
        #expect(!text.contains("LATENCY"))
        #expect(text.contains("  ended early: no operation has succeeded for ten seconds\n"))
    }

    @Test("says whether a measured disk is fast enough for etcd")
    func disk() {
        func result(_ time: Duration) -> DiskProbeResult {
            var latency = BenchmarkHistogram()
            for _ in 0..<100 { latency.record(time) }
            return DiskProbeResult(folder: "/var/lib/etcd\n", writeSize: 2300, duration: .seconds(2), latency: latency)
        }
        let (fast, slow) = (result(.milliseconds(2)).text, result(.milliseconds(20)).text)
        #expect(
            fast.hasPrefix("fsync: 100 writes of 2.25 KiB in 2 s, 50 per second, in /var/lib/etcd\n\nLATENCY of 100\n")
        )
        #expect(fast.hasSuffix("  fast enough for etcd: the 99th percentile is 2 ms, below 10 ms"))
        #expect(
            slow.hasSuffix("  too slow for etcd: the 99th percentile is 20 ms, but should be below 10 ms"),
            "\(slow)"
        )
    }

    @Test("formats any number")
    func numbers() {
        let texts = [0, 0.001234, 12.345, 999.4, 999.6, 20_746.2, 1e14, 1e300, -5.5].map(BenchmarkFormat.number)
        #expect(texts == ["0", "0.00123", "12.3", "999", "1,000", "20,746", "100,000,000,000,000", "1e+300", "-5.5"])
        #expect(BenchmarkFormat.number(.nan) == "nan" && BenchmarkFormat.number(.infinity) == "inf")
        let shares = [0, 0.000_01, 0.000_5, 0.123_4, 1, 24, .infinity].map(BenchmarkFormat.share)
        #expect(shares == ["0 %", "<0.01 %", "0.05 %", "12.3 %", "100 %", "2,400 %", "inf %"])
        #expect(BenchmarkFormat.change(0.123) == "+12.3 %" && BenchmarkFormat.change(-0.5) == "-50 %")
        #expect(
            [0.000_05, 0.25, 3, 600].map { BenchmarkFormat.time(.seconds($0)) } == ["50 µs", "250 ms", "3 s", "10 min"]
        )
    }
}
