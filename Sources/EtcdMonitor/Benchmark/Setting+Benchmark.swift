// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// The load of a benchmark, its limits and its comparison.
extension Setting {
    static let benchmark = load + judgement

    private static let load = [
        choice("benchmark-type", BenchmarkKind.self, "(default: mixed)") { $0.kind = $1 },
        count("benchmark-ops", "number of operations (default: 10000)", in: 1...1_000_000_000) {
            $0.amount = .operations($1)
        },
        benchmark("benchmark-duration", .value("TIME"), "duration instead of a number of operations, such as 30s") {
            text in
            let time = try Duration(text: text)
            return { $0.amount = .duration(time) }
        },
        count("benchmark-clients", "number of concurrent callers, or of open watches or leases (default: 64)") {
            $0.callers = $1
        },
        count("benchmark-connections", "number of connections that the callers share (default: 1)", in: 1...10_000) {
            $0.connections = $1
        },
        benchmark("benchmark-rate", .value("N"), "operations per second, with latencies from their intended starts") {
            text in
            let rate = try number(text, in: 0.001...1e9)
            return { $0.rate = rate }
        },
        count("benchmark-key-size", "size of a key after the prefix, in bytes (default: 8)", in: 1...32_768) {
            $0.keySize = $1
        },
        count("benchmark-value-size", "size of a value, in bytes (default: 256)", in: 0...(64 << 20)) {
            $0.valueSize = $1
        },
        count("benchmark-keys", "number of keys (default: 1000)", in: 1...10_000_000) { $0.keySpace = $1 },
        choice("benchmark-key-order", BenchmarkOptions.KeyOrder.self, "(default: sequential)") { $0.keyOrder = $1 },
        toggle("benchmark-serializable", "makes reads serializable: a member answers from its own copy") {
            $0.serializable = $1
        },
        benchmark("benchmark-read-ratio", .value("N"), "share of reads of the type mixed, from 0 to 1 (default: 0.7)") {
            text in
            let ratio = try number(text, in: 0...1)
            return { $0.readRatio = ratio }
        },
        count("benchmark-range-limit", "number of entries per range (default: 100)", in: 1...1_000_000) {
            $0.rangeLimit = $1
        },
        toggle("benchmark-on-loop", "runs the callers on the thread of the connections") { $0.onLoop = $1 },
        count("benchmark-seed", "seed of the random numbers (default: 1)", in: 0...Int.max) { $0.seed = UInt64($1) },
        benchmark("benchmark-prefix", .value("KEY"), "uses only keys with this prefix, which must have no keys before")
        {
            text in
            let prefix = Key(try filled(text))
            return { $0.prefix = prefix }
        },
        count(
            "benchmark-quota-mb",
            "quota in MiB of members that do not report it (default: 2048; 0: none)",
            in: 0...(1 << 30)
        ) {
            $0.quota = Int64($1) << 20
        },
    ]

    private static let judgement = [
        program("benchmark-preset", .value("SIZE"), "load and limits of \"etcdctl check perf\": s, m, l or xl") {
            $0.benchmark.preset = try named($1)
        },
        program("slo-p99-ms", .value("N"), "highest 99th percentile of the latencies, in milliseconds") {
            $0.benchmark.limits.p99 = .milliseconds(try number($1, in: 0.001...1e9))
        },
        program("slo-min-ops", .value("N"), "lowest number of operations per second") {
            $0.benchmark.limits.minimumRate = try number($1, in: 0.001...1e9)
        },
        program("slo-max-error-ratio", .value("N"), "highest share of failed operations, from 0 to 1") {
            $0.benchmark.limits.maximumErrorRatio = try number($1, in: 0...1)
        },
        program("compare", .value("FILE"), "compares the result with this earlier output of --json") {
            $0.benchmark.baseline = try filled($1)
        },
        program("tolerance", .value("SHARE"), "share by which a figure may be worse than in --compare (default: 10%)") {
            $0.benchmark.tolerance = try share($1)
        },
        program("html", .value("FILE"), "writes the result to this file, as a self-contained page with plots") {
            $0.benchmark.page = try filled($1)
        },
    ]

    // MARK: Kinds of settings

    /// A part of the load; `read` converts its text to a change of the options.
    private static func benchmark(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ read: @escaping @Sendable (String) throws -> @Sendable (inout BenchmarkOptions) -> Void
    ) -> Setting {
        program(name, kind, help) { $0.benchmark.change(name, try read($1)) }
    }

    private static func count(
        _ name: String,
        _ help: String,
        in range: ClosedRange<Int> = 1...1_000_000,
        _ change: @escaping @Sendable (inout BenchmarkOptions, Int) -> Void
    ) -> Setting {
        benchmark(name, .value(name.hasSuffix("-size") ? "BYTES" : "N"), help) { text in
            guard let count = Int(text), range.contains(count) else {
                throw UsageError("\"\(text)\" is not a whole number from \(range.lowerBound) to \(range.upperBound)")
            }
            return { change(&$0, count) }
        }
    }

    private static func toggle(
        _ name: String,
        _ help: String,
        _ change: @escaping @Sendable (inout BenchmarkOptions, Bool) -> Void
    ) -> Setting {
        benchmark(name, .toggle, help) { text in
            let isOn = try Bool(text: text)
            return { change(&$0, isOn) }
        }
    }

    private static func choice<Choice: RawRepresentable<String> & CaseIterable & Sendable>(
        _ name: String,
        _ type: Choice.Type,
        _ help: String,
        _ change: @escaping @Sendable (inout BenchmarkOptions, Choice) -> Void
    ) -> Setting {
        let names = type.allCases.map(\.rawValue)
        let list = "\(names.dropLast().joined(separator: ", ")) or \(names.last ?? "")"
        return benchmark(name, .value("NAME"), "\(list) \(help)") { text in
            let choice: Choice = try named(text)
            return { change(&$0, choice) }
        }
    }

    // MARK: Values

    private static func named<Choice: RawRepresentable<String> & CaseIterable>(_ text: String) throws -> Choice {
        guard let choice = Choice(rawValue: text) else {
            let names = Choice.allCases.map(\.rawValue).joined(separator: ", ")
            throw UsageError("\"\(text)\" is not one of \(names)")
        }
        return choice
    }

    private static func number(_ text: String, in range: ClosedRange<Double>) throws -> Double {
        guard let number = Double(text), range.contains(number) else {
            let bounds = [range.lowerBound, range.upperBound].map { JSONValue.number($0).flagText ?? "" }
            throw UsageError("\"\(text)\" is not a number from \(bounds.joined(separator: " to "))")
        }
        return number
    }

    /// A share from 0 to 1, or in per cent.
    private static func share(_ text: String) throws -> Double {
        let isPercent = text.hasSuffix("%")
        let number = Double(isPercent ? String(text.dropLast()) : text).map { isPercent ? $0 / 100 : $0 }
        guard let number, (0...10).contains(number) else {
            throw UsageError("\"\(text)\" is not a share; write for example 10% or 0.1")
        }
        return number
    }
}
