// SPDX-License-Identifier: Apache-2.0

/// A benchmark's result with all that it was held against, for people and for programs.
///
/// ```swift
/// let result = try await Benchmark(client.configuration, options).run()
/// print(BenchmarkReport(result, checks: limits.check(result)).text)
/// ```
///
/// It encodes to one JSON object: that of its ``result``, with `limits`, `comparison` and `ended_early` where there are
/// any. So it can be decoded as a ``BenchmarkResult`` and be the ``baseline`` of a later one.
public struct BenchmarkReport: Sendable, Hashable {
    /// The figures.
    public let result: BenchmarkResult
    /// The figures compared with limits.
    public let checks: [BenchmarkCheck]
    /// The figures of an earlier benchmark.
    public let baseline: BenchmarkResult?
    /// The figures beside those of the earlier benchmark.
    public let comparison: BenchmarkComparison?
    /// Why the benchmark has ended early; nil if it has not.
    public let endReason: String?

    /// Makes a report.
    ///
    /// - Parameters:
    ///   - result: The figures.
    ///   - checks: The figures compared with limits, as ``BenchmarkLimits/check(_:)`` does it.
    ///   - baseline: The figures of an earlier benchmark of the same kind.
    ///   - tolerance: The largest share by which a figure may be worse than in the earlier benchmark, such as 0.1.
    ///   - endReason: Why the benchmark has ended early, if an error says so.
    public init(
        _ result: BenchmarkResult,
        checks: [BenchmarkCheck] = [],
        baseline: BenchmarkResult? = nil,
        tolerance: Double = 0.1,
        endReason: String? = nil
    ) {
        self.result = result
        self.checks = checks
        self.baseline = baseline
        comparison = baseline.map { BenchmarkComparison(baseline: $0, current: result, tolerance: tolerance) }
        let isStuck = !result.isComplete && endReason == nil
        self.endReason = isStuck ? "no operation has succeeded for ten seconds" : endReason
    }

    /// The changes that say something: not that both results are complete, or have no errors.
    var changes: [BenchmarkComparison.Change] {
        (comparison?.changes ?? []).filter { change in
            let isObvious = change.figure == BenchmarkResult.CodingKeys.isComplete.rawValue
            return change.isRegression || !isObvious && (change.baseline != 0 || change.current != 0)
        }
    }

    /// The judgement in a few words, and whether it is a good one.
    var verdict: (text: String, isGood: Bool) {
        if endReason != nil { return ("ended early", false) }
        let missed = checks.count { !$0.isMet }
        if missed > 0 { return ("\(missed) of \(checks.count) limits missed", false) }
        if comparison?.isRegression == true { return ("worse than before", false) }
        let parts = [checks.isEmpty ? nil : "all limits kept", comparison == nil ? nil : "not worse than before"]
        return (parts.compactMap(\.self).joined(separator: ", "), true)
    }
}

extension BenchmarkReport: Encodable {
    private enum CodingKeys: String, CodingKey {
        case limits, comparison
        case endReason = "ended_early"
    }

    /// Writes the report.
    ///
    /// - Parameter encoder: Where it is written to.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        try result.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        if !checks.isEmpty { try container.encode(checks, forKey: .limits) }
        try container.encodeIfPresent(comparison, forKey: .comparison)
        try container.encodeIfPresent(endReason, forKey: .endReason)
    }
}
