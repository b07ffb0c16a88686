// SPDX-License-Identifier: Apache-2.0

/// A comparison of a benchmark's figures with those of an earlier one.
public struct BenchmarkComparison: Sendable, Hashable, Codable {
    /// A figure of both results.
    public struct Change: Sendable, Hashable, Codable {
        /// The key of the figure in a result's JSON, such as `ops_per_s`.
        public let figure: String
        /// The figure of the earlier result, in the unit of its key.
        public let baseline: Double
        /// The figure of the newer result, in the unit of its key.
        public let current: Double
        /// The relative change of the figure, such as 0.1 for 10 %; nil if the baseline is zero.
        public let change: Double?
        /// Whether more of this figure is better.
        public let isHigherBetter: Bool
        /// Whether the figure is worse by more than the tolerance.
        public let isRegression: Bool
    }

    /// The largest share by which a figure may be worse.
    public let tolerance: Double
    /// The figures that both results have, most important first.
    public let changes: [Change]
    /// The parameters that differ, such as `callers: 64, now 128`.
    ///
    /// Do not compare figures of different loads.
    public let differences: [String]

    /// Whether a figure is worse by more than the tolerance.
    public var isRegression: Bool { changes.contains(where: \.isRegression) }

    /// Compares two results.
    ///
    /// If the earlier result has no errors, any error exceeds the tolerance.
    ///
    /// - Parameters:
    ///   - baseline: The earlier result.
    ///   - current: The newer result.
    ///   - tolerance: The largest share by which a figure may be worse, such as 0.1; a negative value counts as zero.
    public init(baseline: BenchmarkResult, current: BenchmarkResult, tolerance: Double) {
        let tolerance = tolerance > 0 ? tolerance : 0
        self.tolerance = tolerance
        changes = Self.figures.compactMap { figure in
            guard let old = figure.value(baseline), let new = figure.value(current) else { return nil }
            let isWorse = figure.isHigherBetter ? new < old * (1 - tolerance) : new > old * (1 + tolerance)
            return Change(
                figure: figure.key.rawValue,
                baseline: old,
                current: new,
                change: old == 0 ? nil : new / old - 1,
                isHigherBetter: figure.isHigherBetter,
                isRegression: isWorse
            )
        }
        differences = zip(Self.parameters(of: baseline), Self.parameters(of: current)).compactMap { old, new in
            old.value == new.value ? nil : "\(old.name): \(old.value), now \(new.value)"
        }
    }

    // MARK: The figures and the parameters

    private struct Figure {
        let key: BenchmarkResult.CodingKeys
        var isHigherBetter = false
        let value: (BenchmarkResult) -> Double?
    }

    private static var figures: [Figure] {
        func quantile(_ key: BenchmarkResult.CodingKeys, _ share: Double) -> Figure {
            Figure(key: key) { $0.latency.count > 0 ? $0.latency.quantile(share).inMilliseconds : nil }
        }
        return [
            Figure(key: .isComplete, isHigherBetter: true) { $0.isComplete ? 1 : 0 },
            Figure(key: .operationsPerSecond, isHigherBetter: true) { $0.operationsPerSecond },
            Figure(key: .eventsPerSecond, isHigherBetter: true) { $0.eventsPerSecond },
            quantile(.p50, 0.5),
            quantile(.p95, 0.95),
            quantile(.p99, 0.99),
            Figure(key: .openTime) { $0.openTime?.inSeconds },
            Figure(key: .processorPerOperation) { $0.processorTimePerOperation?.inMicroseconds },
            Figure(key: .allocationsPerOperation) { $0.allocationsPerOperation },
            Figure(key: .errorRatio) { $0.errorRatio },
        ]
    }

    private static func parameters(of result: BenchmarkResult) -> [(name: String, value: String)] {
        let options = result.options
        let amount =
            switch options.amount {
            case .operations(let count): "\(count) operations"
            case .duration(let duration): "\(duration)"
            }
        let versions = Set(result.servers.compactMap(\.version)).sorted()
        return [
            ("op", options.kind.rawValue),
            ("amount", amount),
            ("connections", "\(options.connections)"),
            ("callers", "\(options.callers)"),
            ("rate", options.rate.map { "\($0)" } ?? "unlimited"),
            ("key size", "\(options.keySize)"),
            ("value size", "\(options.valueSize)"),
            ("key space", "\(options.keySpace)"),
            ("key order", options.keyOrder.rawValue),
            ("serializable", "\(options.serializable)"),
            ("read ratio", "\(options.readRatio)"),
            ("range limit", "\(options.rangeLimit)"),
            ("on loop", "\(options.onLoop)"),
            ("server", versions.joined(separator: ", ")),
            ("members", "\(result.servers.count)"),
        ]
    }
}
