// SPDX-License-Identifier: Apache-2.0

/// A benchmark's result with its limits and its comparison, for people and for programs.
///
/// ```swift
/// let result = try await Benchmark(client.configuration, options).run()
/// print(BenchmarkReport(result, checks: limits.check(result)).text)
/// ```
///
/// It encodes to one JSON object: that of its ``result``, with `limits`, `comparison` and `ended_early` where they
/// apply. So it can be decoded as a ``BenchmarkResult``, and serve as the ``baseline`` of a later one.
public struct BenchmarkReport: Sendable, Hashable {
    /// The figures.
    public let result: BenchmarkResult
    /// The figures compared with limits.
    public let checks: [BenchmarkCheck]
    /// The figures of an earlier benchmark.
    public let baseline: BenchmarkResult?
    /// The comparison with the earlier benchmark.
    public let comparison: BenchmarkComparison?
    /// The reason why the benchmark ended early; nil if it did not.
    public let endReason: String?

    /// Makes a report.
    ///
    /// - Parameters:
    ///   - result: The figures.
    ///   - checks: The figures compared with limits, from ``BenchmarkLimits/check(_:)``.
    ///   - baseline: The figures of an earlier benchmark of the same kind.
    ///   - tolerance: The largest share by which a figure may be worse than in the earlier benchmark, such as 0.1.
    ///   - endReason: The reason why the benchmark ended early, from an error.
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

    /// The meaningful changes: a figure that says only that both results are complete or have no errors is left out.
    var changes: [BenchmarkComparison.Change] {
        (comparison?.changes ?? []).filter { change in
            let isObvious = change.figure == BenchmarkResult.CodingKeys.isComplete.rawValue
            return change.isRegression || !isObvious && (change.baseline != 0 || change.current != 0)
        }
    }

    /// A short judgement, and whether it is good.
    var verdict: (text: String, isGood: Bool) {
        if endReason != nil { return ("ended early", false) }
        let missed = checks.count { !$0.isMet }
        if missed > 0 { return ("\(missed) of \(checks.count) limits missed", false) }
        if comparison?.isRegression == true { return ("worse than before", false) }
        let parts = [checks.isEmpty ? nil : "all limits met", comparison == nil ? nil : "not worse than before"]
        return (parts.compactMap(\.self).joined(separator: ", "), true)
    }
}

extension BenchmarkReport: Encodable {
    private enum CodingKeys: String, CodingKey {
        case limits, comparison
        case endReason = "ended_early"
    }

    /// Encodes the report.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        try result.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        if !checks.isEmpty { try container.encode(checks, forKey: .limits) }
        try container.encodeIfPresent(comparison, forKey: .comparison)
        try container.encodeIfPresent(endReason, forKey: .endReason)
    }
}
