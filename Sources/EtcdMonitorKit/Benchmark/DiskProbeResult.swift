// SPDX-License-Identifier: Apache-2.0

/// The speed at which a disk makes small writes durable.
public struct DiskProbeResult: Sendable, Hashable {
    /// The 99th percentile that etcd's documentation recommends: less than 10 ms.
    public static let limit: Duration = .milliseconds(10)

    /// The measured folder.
    public let folder: String
    /// The size of a write in bytes.
    public let writeSize: Int
    /// The duration of the probe.
    public let duration: Duration
    /// The latencies, each of a write with its `fdatasync`.
    public let latency: BenchmarkHistogram

    /// Makes a result.
    ///
    /// - Parameters:
    ///   - folder: The measured folder.
    ///   - writeSize: The size of a write in bytes.
    ///   - duration: The duration of the probe.
    ///   - latency: The latencies of the writes.
    public init(folder: String, writeSize: Int, duration: Duration, latency: BenchmarkHistogram) {
        self.folder = folder
        self.writeSize = writeSize
        self.duration = duration
        self.latency = latency
    }

    /// The writes per second.
    public var writesPerSecond: Double { duration > .zero ? Double(latency.count) / duration.inSeconds : 0 }
    /// Whether the 99th percentile is below ``limit``.
    public var isFastEnough: Bool { latency.count > 0 && latency.quantile(0.99) < Self.limit }
}

/// In JSON, `folder`, `write_size`, `writes`, `sec`, `writes_per_s`, `p50_ms`, `p90_ms`, `p99_ms`, `p999_ms`, `max_ms`,
/// `limit_ms`, `fast_enough` and `histogram`.
extension DiskProbeResult: Encodable {
    private enum CodingKeys: String, CodingKey {
        case folder
        case writeSize = "write_size"
        case writes
        case duration = "sec"
        case writesPerSecond = "writes_per_s"
        case p50 = "p50_ms"
        case p90 = "p90_ms"
        case p99 = "p99_ms"
        case p999 = "p999_ms"
        case maximum = "max_ms"
        case limit = "limit_ms"
        case isFastEnough = "fast_enough"
        case histogram
    }

    /// Encodes the result.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(folder, forKey: .folder)
        try container.encode(writeSize, forKey: .writeSize)
        try container.encode(latency.count, forKey: .writes)
        try container.encode(duration.inSeconds, forKey: .duration)
        try container.encode(writesPerSecond, forKey: .writesPerSecond)
        let quantiles: [(CodingKeys, Double)] = [(.p50, 0.5), (.p90, 0.9), (.p99, 0.99), (.p999, 0.999)]
        for (key, share) in quantiles { try container.encode(latency.quantile(share).inMilliseconds, forKey: key) }
        try container.encode(latency.maximum.inMilliseconds, forKey: .maximum)
        try container.encode(Self.limit.inMilliseconds, forKey: .limit)
        try container.encode(isFastEnough, forKey: .isFastEnough)
        try container.encode(latency, forKey: .histogram)
    }
}

/// An error of a disk probe.
public struct DiskProbeError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason.
    public let description: String
    /// Whether the task was cancelled.
    public let isCancelled: Bool

    init(_ description: String, isCancelled: Bool = false) {
        self.description = description
        self.isCancelled = isCancelled
    }
}
