// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct BenchmarkFiguresTests {
    /// A result of 1,000 operations in two seconds that took 1 to 10 ms.
    private static func result(_ kind: BenchmarkKind = .write) -> BenchmarkResult {
        var options = BenchmarkOptions(kind)
        options.prefix = "p/"
        var result = BenchmarkResult(options: options, startTime: Date(timeIntervalSince1970: 1_800_000_000.5))
        result.servers = [BenchmarkResult.Server(endpoint: "127.0.0.1:2379", version: "3.5.16", databaseSize: 20_480)]
        result.operations = 1000
        result.duration = .seconds(2)
        for time in 0..<1000 { result.latency.record(.milliseconds(1 + time / 100)) }
        result.processorTime = .milliseconds(20)
        result.peakMemory = 32 << 20
        result.revisions = 1003
        return result
    }

    private static func object(_ result: BenchmarkResult) throws -> [String: Any] {
        try #require(try JSONSerialization.jsonObject(with: JSONEncoder().encode(result)) as? [String: Any])
    }

    // MARK: JSON

    private static let always: Set = [
        "op", "ops", "sec", "ops_per_s", "latency_count", "mean_ms", "stddev_ms", "min_ms", "p50_ms", "p90_ms",
        "p95_ms",
        "p99_ms", "p999_ms", "max_ms", "cpu_s", "cpu_us_per_op", "maxrss_mb", "errors", "error_ratio", "complete",
        "revisions", "start", "client_version", "servers", "parameters", "histogram", "intervals",
    ]

    @Test func `JSON has a key for each figure that there is`() throws {
        #expect(Set(try Self.object(Self.result()).keys) == Self.always)
        var result = Self.result(.watch)
        result.events = 5000
        result.allocations = 9
        result.databaseSize = 1
        result.cleanupFailure = "no"
        let more: Set = [
            "events", "events_per_s", "cpu_us_per_event", "allocs", "allocs_per_op", "db_size", "cleanup_failure",
        ]
        #expect(Set(try Self.object(result).keys) == Self.always.union(more))
        result = Self.result(.leases)
        result.openTime = .seconds(1)
        #expect(Set(try Self.object(result).keys) == Self.always.union(["n", "open_s", "renewals"]))
    }

    @Test func `The figures of JSON have the units of their keys`() throws {
        let object = try Self.object(Self.result())
        func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }
        #expect(object["op"] as? String == "write" && number("ops") == 1000 && number("sec") == 2)
        #expect(number("ops_per_s") == 500 && number("cpu_us_per_op") == 20 && number("maxrss_mb") == 32)
        #expect(abs((number("p50_ms") ?? 0) - 5) < 0.02 && abs((number("p99_ms") ?? 0) - 10) < 0.04)
        #expect(object["start"] as? String == "2027-01-15T08:00:00.500Z")
    }

    @Test func `JSON gives the same result back`() throws {
        var result = Self.result(.watches)
        result.isComplete = false
        result.errors = ["unavailable": 3]
        result.intervals = [
            BenchmarkResult.Interval(
                start: .zero,
                duration: .seconds(1),
                operations: 4,
                errors: 1,
                p50: .milliseconds(2),
                p99: .milliseconds(3),
                maximum: .milliseconds(4)
            )
        ]
        result.allocations = 5
        result.events = 6
        result.openTime = .milliseconds(7)
        result.databaseSize = 8
        result.cleanupFailure = "9"
        #expect(try JSONDecoder().decode(BenchmarkResult.self, from: JSONEncoder().encode(result)) == result)
    }

    @Test(arguments: [
        ("sec", "-1"), ("sec", "1e300"), ("start", #""yesterday""#), ("histogram", "[]"),
        ("errors", "[1]"),
        ("ops", "1e30"), ("intervals", #"[{"ops": 1}]"#), ("parameters", #"{"kind": "nothing"}"#),
    ])
    func `JSON that is not a result is refused`(key: String, value: String) throws {
        var object = try Self.object(Self.result())
        object[key] = try JSONSerialization.jsonObject(with: Data(value.utf8), options: .fragmentsAllowed)
        let data = try JSONSerialization.data(withJSONObject: object)
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(BenchmarkResult.self, from: data) }
    }

    // MARK: Limits

    @Test func `Each limit is checked against its figure`() {
        var limits = BenchmarkLimits()
        #expect(limits.check(Self.result()).isEmpty)
        limits.p99 = .milliseconds(11)
        limits.maximum = .milliseconds(10)
        limits.standardDeviation = .milliseconds(3)
        limits.minimumRate = 500
        limits.maximumErrorRatio = 0
        let checks = limits.check(Self.result())
        #expect(checks.map(\.figure) == ["p99_ms", "max_ms", "stddev_ms", "ops_per_s", "error_ratio"])
        #expect(checks.allSatisfy(\.isMet) && checks.filter(\.isMinimum).map(\.figure) == ["ops_per_s"])
        limits.p99 = .milliseconds(9)
        limits.maximum = .microseconds(9999)
        limits.standardDeviation = .milliseconds(2)
        limits.minimumRate = 501
        limits.maximumErrorRatio = 0.0009
        var result = Self.result()
        result.errors = ["unavailable": 1]
        #expect(limits.check(result).allSatisfy { !$0.isMet })
    }

    @Test func `A run that has ended early fails all limits, and one without latencies the limit on them`() {
        var limits = BenchmarkLimits()
        limits.p99 = .seconds(1)
        limits.minimumRate = 1
        var result = Self.result()
        result.isComplete = false
        #expect(limits.check(result).map(\.isMet) == [false, false])
        result = Self.result()
        result.latency = BenchmarkHistogram()
        #expect(limits.check(result).map(\.isMet) == [false, true])
    }

    @Test(arguments: [
        (BenchmarkPreset.s, 50, 150.0), (.m, 200, 1000), (.l, 500, 8000), (.xl, 1000, 15_000),
    ])
    func `Presets are the loads of etcdctl check perf`(preset: BenchmarkPreset, clients: Int, rate: Double) throws {
        let options = try preset.options.checked()
        #expect(options.kind == .write && options.amount == .duration(.seconds(60)))
        #expect(options.connections == clients && options.callers == clients && options.rate == rate)
        #expect(options.keySize == 256 && options.valueSize == 1024 && options.keyOrder == .random)
        #expect(preset.limits.minimumRate == rate * 0.9 && preset.limits.maximumErrorRatio == 0)
        #expect(preset.limits.maximum == .milliseconds(500) && preset.limits.standardDeviation == .milliseconds(100))
    }

    // MARK: Comparison

    private static func regressions(_ change: (inout BenchmarkResult) -> Void, tolerance: Double = 0.1) -> [String] {
        var current = result()
        change(&current)
        let comparison = BenchmarkComparison(baseline: result(), current: current, tolerance: tolerance)
        #expect(comparison.isRegression == comparison.changes.contains(where: \.isRegression))
        return comparison.changes.filter(\.isRegression).map(\.figure)
    }

    @Test func `A figure that is worse by more than the tolerance is a regression`() {
        #expect(Self.regressions { _ in }.isEmpty)
        #expect(Self.regressions { $0.duration = .milliseconds(2200) }.isEmpty)
        #expect(Self.regressions { $0.duration = .milliseconds(2300) } == ["ops_per_s"])
        #expect(Self.regressions({ $0.duration = .milliseconds(2300) }, tolerance: 0.15).isEmpty)
        #expect(Self.regressions { $0.duration = .seconds(1) }.isEmpty)
        #expect(Self.regressions { $0.processorTime = .milliseconds(23) } == ["cpu_us_per_op"])
        #expect(Self.regressions { $0.errors = ["unavailable": 1] } == ["error_ratio"])
        #expect(Self.regressions { $0.isComplete = false } == ["complete"])
        let slower = Self.regressions { result in
            result.latency = BenchmarkHistogram()
            for time in 0..<1000 { result.latency.record(.microseconds(1200 * (1 + time / 100))) }
        }
        #expect(slower == ["p50_ms", "p95_ms", "p99_ms"])
    }

    @Test func `A comparison names the figures, their change and the parameters that differ`() throws {
        var current = Self.result()
        current.duration = .seconds(4)
        current.options.callers = 128
        current.options.prefix = "q/"
        current.servers[0].version = "3.6.0"
        let comparison = BenchmarkComparison(baseline: Self.result(), current: current, tolerance: .nan)
        #expect(comparison.tolerance == 0)
        #expect(comparison.differences == ["callers: 64, now 128", "server: 3.5.16, now 3.6.0"])
        let rate = try #require(comparison.changes.first { $0.figure == "ops_per_s" })
        #expect(rate.baseline == 500 && rate.current == 250 && rate.change == -0.5 && rate.isHigherBetter)
        #expect(comparison.changes.first { $0.figure == "error_ratio" }?.change == nil)
        #expect(!comparison.changes.contains { $0.figure == "events_per_s" })
    }
}
