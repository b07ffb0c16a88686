// SPDX-License-Identifier: Apache-2.0

/// The limits for the figures of a benchmark.
public struct BenchmarkLimits: Sendable, Hashable, Codable {
    /// The highest allowed 99th percentile of the latencies.
    public var p99: Duration?
    /// The longest allowed latency.
    public var maximum: Duration?
    /// The highest allowed standard deviation of the latencies.
    public var standardDeviation: Duration?
    /// The lowest allowed rate, in operations per second.
    public var minimumRate: Double?
    /// The highest allowed share of failed operations, from 0 to 1.
    public var maximumErrorRatio: Double?

    /// Makes limits that every result meets.
    public init() {}

    /// Compares a result with each limit that is set.
    ///
    /// An incomplete result meets no limit. A result without latencies meets no limit on latencies.
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
    /// Whether the limit is a minimum instead of a maximum.
    public let isMinimum: Bool
    /// Whether the figure meets the limit.
    public let isMet: Bool
}
