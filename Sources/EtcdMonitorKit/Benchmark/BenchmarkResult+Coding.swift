// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

// In JSON, one object. Derived keys are written for readers, and ignored when decoding.
extension BenchmarkResult: Codable {
    enum CodingKeys: String, CodingKey {
        case kind = "op"
        case operations = "ops"
        case duration = "sec"
        case operationsPerSecond = "ops_per_s"
        case latencyCount = "latency_count"
        case mean = "mean_ms"
        case standardDeviation = "stddev_ms"
        case minimum = "min_ms"
        case p50 = "p50_ms"
        case p90 = "p90_ms"
        case p95 = "p95_ms"
        case p99 = "p99_ms"
        case p999 = "p999_ms"
        case maximum = "max_ms"
        case processorTime = "cpu_s"
        case processorPerOperation = "cpu_us_per_op"
        case allocations = "allocs"
        case allocationsPerOperation = "allocs_per_op"
        case peakMemory = "maxrss_mb"
        case errors
        case errorRatio = "error_ratio"
        case isComplete = "complete"
        case events
        case eventsPerSecond = "events_per_s"
        case processorPerEvent = "cpu_us_per_event"
        case held = "n"
        case openTime = "open_s"
        case renewals
        case revisions
        case databaseSize = "db_size"
        case cleanupFailure = "cleanup_failure"
        case startTime = "start"
        case clientVersion = "client_version"
        case servers
        case options = "parameters"
        case histogram
        case intervals
    }

    /// Decodes a result.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: `DecodingError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        let start = try container.decode(String.self, forKey: .startTime)
        guard let startTime = try? Date(start, strategy: Self.dateFormat) else {
            throw DecodingError.dataCorruptedError(
                forKey: .startTime,
                in: container,
                debugDescription: "\(start.debugDescription) is not a time in the ISO 8601 format"
            )
        }
        self.init(options: try container.decode(BenchmarkOptions.self, forKey: .options), startTime: startTime)
        servers = try container.decode([Server].self, forKey: .servers)
        clientVersion = try container.decode(String.self, forKey: .clientVersion)
        isComplete = try container.decode(Bool.self, forKey: .isComplete)
        operations = try container.decode(Int.self, forKey: .operations)
        duration = try container.decodeSeconds(forKey: .duration) ?? .zero
        errors = try container.decode([String: Int].self, forKey: .errors)
        // Their sums must not overflow, either.
        let counts = [operations] + errors.values
        guard errors.count <= 1000, counts.allSatisfy({ (0...1 << 48).contains($0) }) else {
            throw DecodingError.dataCorruptedError(
                forKey: .errors,
                in: container,
                debugDescription: "it contains more operations than possible"
            )
        }
        latency = try container.decode(BenchmarkHistogram.self, forKey: .histogram)
        intervals = try container.decode([Interval].self, forKey: .intervals)
        processorTime = try container.decodeSeconds(forKey: .processorTime) ?? .zero
        allocations = try container.decodeIfPresent(Int.self, forKey: .allocations)
        let megabytes = try container.decode(Double.self, forKey: .peakMemory)
        peakMemory = Int64(min(max(megabytes, 0), 1e9) * 1_048_576)
        revisions = try container.decode(Int64.self, forKey: .revisions)
        databaseSize = try container.decodeIfPresent(Int64.self, forKey: .databaseSize)
        events = try container.decodeIfPresent(Int.self, forKey: .events)
        openTime = try container.decodeSeconds(forKey: .openTime)
        cleanupFailure = try container.decodeIfPresent(String.self, forKey: .cleanupFailure)
    }

    /// Encodes the result.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(options.kind, forKey: .kind)
        try container.encode(operations, forKey: .operations)
        try container.encode(duration.inSeconds, forKey: .duration)
        try container.encode(operationsPerSecond, forKey: .operationsPerSecond)
        try encodeLatency(into: &container)
        try container.encode(processorTime.inSeconds, forKey: .processorTime)
        try container.encodeIfPresent(processorTimePerOperation?.inMicroseconds, forKey: .processorPerOperation)
        try container.encodeIfPresent(allocations, forKey: .allocations)
        try container.encodeIfPresent(allocationsPerOperation, forKey: .allocationsPerOperation)
        try container.encode(Double(peakMemory) / 1_048_576, forKey: .peakMemory)
        try container.encode(errors, forKey: .errors)
        try container.encode(errorRatio, forKey: .errorRatio)
        try container.encode(isComplete, forKey: .isComplete)
        try container.encodeIfPresent(events, forKey: .events)
        try container.encodeIfPresent(eventsPerSecond, forKey: .eventsPerSecond)
        try container.encodeIfPresent(processorTimePerEvent?.inMicroseconds, forKey: .processorPerEvent)
        if options.kind.holds { try container.encode(options.callers, forKey: .held) }
        try container.encodeIfPresent(openTime?.inSeconds, forKey: .openTime)
        if options.kind == .leases { try container.encode(operations, forKey: .renewals) }
        try container.encode(revisions, forKey: .revisions)
        try container.encodeIfPresent(databaseSize, forKey: .databaseSize)
        try container.encodeIfPresent(cleanupFailure, forKey: .cleanupFailure)
        try container.encode(startTime.formatted(Self.dateFormat), forKey: .startTime)
        try container.encode(clientVersion, forKey: .clientVersion)
        try container.encode(servers, forKey: .servers)
        try container.encode(options, forKey: .options)
        try container.encode(latency, forKey: .histogram)
        try container.encode(intervals, forKey: .intervals)
    }

    private func encodeLatency(into container: inout KeyedEncodingContainer<CodingKeys>) throws {
        try container.encode(latency.count, forKey: .latencyCount)
        guard latency.count > 0 else { return }
        let quantiles: [(CodingKeys, Double)] = [(.p50, 0.5), (.p90, 0.9), (.p95, 0.95), (.p99, 0.99), (.p999, 0.999)]
        for (key, share) in quantiles { try container.encode(latency.quantile(share).inMilliseconds, forKey: key) }
        try container.encode(latency.mean.inMilliseconds, forKey: .mean)
        try container.encode(latency.standardDeviation.inMilliseconds, forKey: .standardDeviation)
        try container.encode(latency.minimum.inMilliseconds, forKey: .minimum)
        try container.encode(latency.maximum.inMilliseconds, forKey: .maximum)
    }

    private static var dateFormat: Date.ISO8601FormatStyle { .init(includingFractionalSeconds: true) }
}

extension BenchmarkResult.Interval: Codable {
    private enum CodingKeys: String, CodingKey {
        case start = "start_s"
        case duration = "sec"
        case operations = "ops"
        case errors
        case p50 = "p50_ms"
        case p99 = "p99_ms"
        case maximum = "max_ms"
    }

    /// Decodes an interval.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: `DecodingError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        start = try container.decodeSeconds(forKey: .start) ?? .zero
        duration = try container.decodeSeconds(forKey: .duration) ?? .zero
        operations = try container.decode(Int.self, forKey: .operations)
        errors = try container.decode(Int.self, forKey: .errors)
        p50 = try container.decodeSeconds(forKey: .p50, scale: 1000) ?? .zero
        p99 = try container.decodeSeconds(forKey: .p99, scale: 1000) ?? .zero
        maximum = try container.decodeSeconds(forKey: .maximum, scale: 1000) ?? .zero
    }

    /// Encodes the interval.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(start.inSeconds, forKey: .start)
        try container.encode(duration.inSeconds, forKey: .duration)
        try container.encode(operations, forKey: .operations)
        try container.encode(errors, forKey: .errors)
        try container.encode(p50.inMilliseconds, forKey: .p50)
        try container.encode(p99.inMilliseconds, forKey: .p99)
        try container.encode(maximum.inMilliseconds, forKey: .maximum)
    }
}

extension KeyedDecodingContainer {
    /// A duration that is encoded in seconds, or in units of `scale` per second; nil if it is missing.
    fileprivate func decodeSeconds(forKey key: Key, scale: Double = 1) throws -> Duration? {
        guard let number = try decodeIfPresent(Double.self, forKey: key) else { return nil }
        guard number >= 0, number / scale <= 1e10 else {
            let problem = "\(number) is not a valid time of a benchmark"
            throw DecodingError.dataCorruptedError(forKey: key, in: self, debugDescription: problem)
        }
        return .seconds(number / scale)
    }
}
