// SPDX-License-Identifier: Apache-2.0

/// The figures that a benchmark's result must keep to.
public struct BenchmarkLimits: Sendable, Hashable, Codable {
    /// The 99th percentile of the latencies is at most this.
    public var p99: Duration?
    /// The longest latency is at most this.
    public var maximum: Duration?
    /// The standard deviation of the latencies is at most this.
    public var standardDeviation: Duration?
    /// The operations a second are at least so many.
    public var minimumRate: Double?
    /// The share of operations that fail is at most this, from 0 to 1.
    public var maximumErrorRatio: Double?

    /// Makes limits that everything keeps to.
    public init() {}

    /// Compares a result with each limit that there is.
    ///
    /// A result that is not complete keeps to none of them, and one without latencies to none of those on latencies.
    ///
    /// - Parameter result: The result.
    /// - Returns: One check for each limit, in the order of the properties.
    public func check(_ result: BenchmarkResult) -> [BenchmarkCheck] {
        func most(_ key: FigureKey, _ limit: Double?, _ value: Double, isKnown: Bool = true) -> BenchmarkCheck? {
            limit.map { limit in
                let isMet = result.isComplete && isKnown && value <= limit
                return BenchmarkCheck(figure: key.rawValue, value: value, limit: limit, isMinimum: false, isMet: isMet)
            }
        }
        let latency = result.latency
        let hasLatency = latency.count > 0
        let p99 = latency.quantile(0.99).inMilliseconds
        let deviation = latency.standardDeviation.inMilliseconds
        let rate = minimumRate.map { limit in
            let value = result.operationsPerSecond
            let isMet = result.isComplete && value >= limit
            let key = FigureKey.operationsPerSecond.rawValue
            return BenchmarkCheck(figure: key, value: value, limit: limit, isMinimum: true, isMet: isMet)
        }
        let checks = [
            most(.p99, self.p99?.inMilliseconds, p99, isKnown: hasLatency),
            most(.maximum, maximum?.inMilliseconds, latency.maximum.inMilliseconds, isKnown: hasLatency),
            most(.standardDeviation, standardDeviation?.inMilliseconds, deviation, isKnown: hasLatency),
            rate,
            most(.errorRatio, maximumErrorRatio, result.errorRatio),
        ]
        return checks.compactMap(\.self)
    }

    private typealias FigureKey = BenchmarkResult.CodingKeys
}

/// A result compared with one limit.
public struct BenchmarkCheck: Sendable, Hashable, Codable {
    /// The key of the figure in a result's JSON, such as `p99_ms`.
    public let figure: String
    /// The figure, in the unit of its key.
    public let value: Double
    /// The limit, in the same unit.
    public let limit: Double
    /// Whether the limit is the least that the figure may be, not the most.
    public let isMinimum: Bool
    /// Whether the figure keeps to the limit.
    public let isMet: Bool
}
