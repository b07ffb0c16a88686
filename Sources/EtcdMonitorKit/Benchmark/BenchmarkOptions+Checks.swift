// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension BenchmarkOptions {
    /// The largest number of keys of a benchmark; all of them are in memory before it begins.
    private static let largestKeySpace = 10_000_000

    /// Refuses invalid options.
    func checked() throws(EtcdError) -> BenchmarkOptions {
        var options = self
        switch amount {
        case .operations(let count):
            if count < 1 { throw Self.invalid("\(count) operations; there must be at least one") }
        case .duration(let duration):
            if duration <= .zero { throw Self.invalid("a duration of \(duration); it must be longer than zero") }
            options.amount = .duration(duration.bounded)
        }
        try Self.check("connections", connections, 1...10_000)
        try Self.check("callers", callers, 1...1_000_000)
        try Self.check("the bytes of a key", keySize, 1...65_536)
        try Self.check("the bytes of a value", valueSize, (kind == .watch ? 8 : 0)...(64 << 20))
        try Self.check("keys", keyCount, 1...Self.largestKeySpace)
        try Self.check("the entries of a range", rangeLimit, 1...1_000_000)
        if keyCount.multipliedReportingOverflow(by: keySize).partialValue > 1 << 30 {
            throw Self.invalid("\(keyCount) keys of \(keySize) bytes; all keys together must not exceed 1 GiB")
        }
        let digits = String(keyCount - 1).count
        if keySize < digits {
            throw Self.invalid("\(keyCount) keys need \(digits) bytes after the prefix, not \(keySize)")
        }
        if let rate {
            if !rate.isFinite || rate <= 0 { throw Self.invalid("a rate of \(rate); it must be more than zero") }
            if kind.holds { throw Self.invalid("a rate, which a benchmark of \(kind.rawValue) does not have") }
        }
        if !(0...1).contains(readRatio) { throw Self.invalid("a read ratio of \(readRatio); it must be from 0 to 1") }
        if let prefix, prefix.bytes.isEmpty {
            throw Self.invalid("an empty prefix; the benchmark needs one of its own")
        }
        if quota < 0 { throw Self.invalid("a quota of \(quota) bytes; use 0 if it is unknown") }
        return options
    }

    /// The number of keys.
    var keyCount: Int {
        switch (kind, amount) {
        // Each key can be deleted only once.
        case (.delete, .operations(let count)): count
        case (.watches, _): callers
        default: keySpace
        }
    }

    /// Whether the keys are written before the first operation.
    var needsEntries: Bool { [.read, .range, .mixed, .delete].contains(kind) }

    private static func check(_ name: String, _ value: Int, _ range: ClosedRange<Int>) throws(EtcdError) {
        if !range.contains(value) {
            throw invalid("\(value) for \(name); it must be from \(range.lowerBound) to \(range.upperBound)")
        }
    }

    private static func invalid(_ message: String) -> EtcdError { EtcdError(.invalidArgument, message) }
}
