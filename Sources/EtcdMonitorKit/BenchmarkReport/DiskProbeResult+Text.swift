// SPDX-License-Identifier: Apache-2.0

extension DiskProbeResult {
    /// The result as text, without a line break at its end.
    public var text: String {
        typealias Format = BenchmarkFormat
        let writes = Format.count(latency.count, "write")
        let heading =
            "fsync: \(writes) of \(Format.bytes(Double(writeSize))) in \(Format.time(duration)), "
            + "\(Format.number(writesPerSecond)) per second, in \(folder.oneLine)"
        let p99 = Format.milliseconds(latency.quantile(0.99))
        let limit = Format.milliseconds(Self.limit)
        let verdict =
            isFastEnough
            ? "fast enough for etcd: the 99th percentile is \(p99), below \(limit)"
            : "too slow for etcd: the 99th percentile is \(p99), but should be below \(limit)"
        return [heading, LatencyText.of(latency), "  \(verdict)"].joined(separator: "\n\n")
    }
}
