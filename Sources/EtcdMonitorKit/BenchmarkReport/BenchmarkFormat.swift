// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Formats figures of benchmarks for people.
///
/// An earlier result comes from a file, so any number must have a text.
enum BenchmarkFormat {
    /// A number with three significant digits, or with all digits before its decimal point, in groups.
    static func number(_ value: Double) -> String {
        if !value.isFinite || abs(value) >= 1e15 { return "\(value)" }
        if abs(value) >= 999.5 {
            return value.formatted(.number.precision(.fractionLength(0)).locale(Locale(identifier: "en_US")))
        }
        return value.formatted(.number.precision(.significantDigits(1...3)).locale(Locale(identifier: "en_US")))
    }

    /// A number of things.
    static func count(_ value: Int, _ noun: String) -> String {
        "\(number(Double(value))) \(noun)\(value == 1 ? "" : "s")"
    }

    /// A time in milliseconds, such as `3.07 ms`.
    static func milliseconds(_ time: Duration) -> String { "\(number(time / .milliseconds(1))) ms" }

    /// A time in the largest fitting unit, such as `1.5 s`.
    static func time(_ time: Duration) -> String {
        let seconds = time / .seconds(1)
        switch seconds {
        case ..<0.001: return "\(number(seconds * 1e6)) µs"
        case ..<1: return "\(number(seconds * 1e3)) ms"
        case ..<90: return "\(number(seconds)) s"
        default: return "\(number(seconds / 60)) min"
        }
    }

    /// A size in the largest fitting unit, such as `3.1 MiB`.
    static func bytes(_ size: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (size, 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\(number(value)) \(units[unit])"
    }

    /// A percentage, such as `12.3 %`.
    static func share(_ value: Double) -> String {
        let percent = value * 100
        if percent > 0, percent < 0.005 { return "<0.01 %" }
        guard abs(percent) < 100, percent.isFinite else { return "\(number(percent)) %" }
        let digits = FloatingPointFormatStyle<Double>.Configuration.Precision.fractionLength(0...(percent < 10 ? 2 : 1))
        return "\(percent.formatted(.number.precision(digits).locale(Locale(identifier: "en_US")))) %"
    }

    /// A relative change, such as `+12.3 %`.
    static func change(_ value: Double?) -> String {
        guard let value else { return "–" }
        return "\(value > 0 ? "+" : "")\(number(value * 100)) %"
    }
}

extension BenchmarkKind {
    /// The name of one operation.
    var noun: String {
        switch self {
        case .write: "write"
        case .read: "read"
        case .range: "range"
        case .mixed: "operation"
        case .delete: "deletion"
        case .txn: "transaction"
        case .lock: "lock"
        case .watch: "put"
        case .watches: "event"
        case .leases: "renewal"
        }
    }
}

extension BenchmarkResult {
    /// The parameters that matter for its kind, as text.
    var parameters: [(name: String, value: String)] {
        var rows: [(String, String)] = []
        let options = options
        let amount =
            switch options.amount {
            case .operations(let count): BenchmarkFormat.count(count, options.kind.noun)
            case .duration(let time): BenchmarkFormat.time(time)
            }
        let callers =
            switch options.kind {
            case .watch, .watches: "watches"
            case .leases: "leases"
            default: "callers"
            }
        if !options.kind.holds { rows.append(("amount", amount)) }
        rows.append((callers, BenchmarkFormat.number(Double(options.callers))))
        rows.append(("connections", BenchmarkFormat.number(Double(options.connections))))
        if options.onLoop { rows.append(("callers run", "on the thread of the connections")) }
        if let rate = options.rate { rows.append(("rate", "\(BenchmarkFormat.number(rate)) per second")) }
        if options.kind != .leases {
            rows.append(("key size", BenchmarkFormat.bytes(Double(options.keySize))))
            if options.kind != .lock { rows.append(("value size", BenchmarkFormat.bytes(Double(options.valueSize)))) }
        }
        if !options.kind.holds {
            rows.append(("keys", "\(BenchmarkFormat.number(Double(options.keySpace))), \(options.keyOrder.rawValue)"))
        }
        if [.read, .range, .mixed].contains(options.kind) {
            rows.append(("reads are", options.serializable ? "serializable" : "linearizable"))
        }
        if options.kind == .mixed { rows.append(("share of reads", BenchmarkFormat.share(options.readRatio))) }
        if options.kind == .range { rows.append(("entries of a range", "\(options.rangeLimit)")) }
        return rows
    }

    /// The figures other than latencies, as text.
    var figures: [(name: String, value: String)] {
        typealias Format = BenchmarkFormat
        var rows: [(String, String)] = []
        if let events {
            let rate = eventsPerSecond.map { ", \(Format.number($0)) per second" } ?? ""
            rows.append(("events delivered", Format.number(Double(events)) + rate))
        }
        if let openTime { rows.append(("time to open them", Format.time(openTime))) }
        let perOperation = processorTimePerOperation.map { ", \(Format.time($0)) per \(options.kind.noun)" } ?? ""
        // Each operation of open watches is an event.
        let perEvent =
            options.kind == .watches ? "" : processorTimePerEvent.map { ", \(Format.time($0)) per event" } ?? ""
        rows.append(("processor time of the client", Format.time(processorTime) + perOperation + perEvent))
        rows.append(("peak memory of the client", Format.bytes(Double(peakMemory))))
        if let allocations {
            let each = allocationsPerOperation.map { ", \(Format.number($0)) per \(options.kind.noun)" } ?? ""
            rows.append(("allocations of the client", Format.number(Double(allocations)) + each))
        }
        if revisions > 0 { rows.append(("revisions of the store", Format.number(Double(revisions)))) }
        if let databaseSize { rows.append(("database afterwards", Format.bytes(Double(databaseSize)))) }
        return rows
    }
}
