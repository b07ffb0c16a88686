// SPDX-License-Identifier: Apache-2.0

/// A load with its limits, as in `etcdctl check perf`.
///
/// Unlike etcdctl, a run uses at most 100,000 different keys, and the latency of each write counts from its intended
/// start.
public enum BenchmarkPreset: String, Sendable, Hashable, CaseIterable {
    /// 150 writes per second by 50 clients for a minute.
    case s
    /// 1,000 writes per second by 200 clients for a minute.
    case m
    /// 8,000 writes per second by 500 clients for a minute.
    case l
    /// 15,000 writes per second by 1,000 clients for a minute.
    case xl

    /// The number of clients, each with a connection and one operation at a time.
    public var clients: Int {
        switch self {
        case .s: 50
        case .m: 200
        case .l: 500
        case .xl: 1000
        }
    }

    /// The writes per second.
    public var rate: Double {
        switch self {
        case .s: 150
        case .m: 1000
        case .l: 8000
        case .xl: 15_000
        }
    }

    /// The load: writes of random keys of 256 bytes and values of 1 KiB.
    public var options: BenchmarkOptions {
        var options = BenchmarkOptions(.write)
        options.amount = .duration(.seconds(60))
        options.connections = clients
        options.callers = clients
        options.rate = rate
        options.keySize = 256
        options.valueSize = 1024
        options.keySpace = 100_000
        options.keyOrder = .random
        return options
    }

    /// The limits for this load: 90 % of the rate, no errors, no write over 500 ms, and a standard deviation of at most
    /// 100 ms.
    public var limits: BenchmarkLimits {
        var limits = BenchmarkLimits()
        limits.maximum = .milliseconds(500)
        limits.standardDeviation = .milliseconds(100)
        limits.minimumRate = rate * 0.9
        limits.maximumErrorRatio = 0
        return limits
    }
}
