// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Synchronization

/// Measures how fast a disk makes small writes durable, in the pattern of etcd's log.
///
/// ```swift
/// let result = try await DiskProbe(folder: "/var/lib/etcd").run()
/// print(result.isFastEnough, result.latency.quantile(0.99))
/// ```
public struct DiskProbe: Sendable {
    /// The folder, on the measured disk.
    public let folder: String
    /// The largest number of writes.
    public var writes = 10_000
    /// The longest duration of the probe.
    public var duration: Duration = .seconds(30)
    /// The size of a write in bytes; the default follows etcd's advice for `fio`.
    public var writeSize = 2300

    /// The largest size of the file, in bytes.
    private static let largestFile = 1 << 30

    /// Makes a probe.
    ///
    /// It does nothing before ``run(onProgress:)``.
    ///
    /// - Parameter folder: The folder, on the disk to measure. The probe writes a file there and removes it.
    public init(folder: String) { self.folder = folder }

    /// Measures once.
    ///
    /// A thread of its own makes the writes, each followed by `fdatasync`. The file is removed even if the probe fails
    /// or its task is cancelled.
    ///
    /// - Parameter onProgress: Receives the completed part, from 0 to 1, a few times per second, on that thread.
    /// - Returns: The latencies of the writes.
    /// - Throws: ``DiskProbeError``.
    public func run(onProgress: (@Sendable (Double) -> Void)? = nil) async throws(DiskProbeError) -> DiskProbeResult {
        guard writes > 0, writeSize > 0, duration > .zero else {
            throw DiskProbeError("the number and the size of writes and the duration must be greater than zero")
        }
        guard writes.multipliedReportingOverflow(by: writeSize).partialValue <= Self.largestFile, writes <= 10_000_000
        else {
            throw DiskProbeError("\(writes) writes of \(writeSize) bytes exceed the limit of 1 GiB")
        }
        let stop = StopFlag()
        let outcome = await withTaskCancellationHandler {
            // In a task that is not cancelled, so that the file is removed when this returns.
            await Task { await offload { measure(stop, onProgress) } }.value
        } onCancel: {
            stop.raise()
        }
        switch outcome {
        case .success(let result): return result
        case .failure(let error): throw error
        case nil: throw DiskProbeError("no thread could be started")
        }
    }

    private func measure(
        _ stop: StopFlag,
        _ onProgress: (@Sendable (Double) -> Void)?
    ) -> Result<DiskProbeResult, DiskProbeError> {
        let path = "\(folder)/etcd-kit-disk-probe-\(UUID().uuidString)"
        do throws(SystemError) {
            let file = try Platform.createFile(path)
            defer {
                Platform.close(file)
                Platform.remove(path)
            }
            try Platform.reserve(writes * writeSize, in: file)
            return try write(to: file, stop, onProgress)
        } catch {
            return .failure(DiskProbeError("cannot measure the disk of \(folder): \(error)"))
        }
    }

    private func write(
        to file: Int32,
        _ stop: StopFlag,
        _ onProgress: (@Sendable (Double) -> Void)?
    ) throws(SystemError) -> Result<DiskProbeResult, DiskProbeError> {
        let bytes = [UInt8](repeating: 0x78, count: writeSize)
        var latency = BenchmarkHistogram()
        let start = Platform.nanoseconds
        let limit = duration.nanoseconds
        var now = start
        var reported = start
        while latency.count < writes, now - start < limit {
            if stop.isRaised { return .failure(DiskProbeError("the probe was cancelled", isCancelled: true)) }
            let before = Platform.nanoseconds
            try Platform.writeDurably(bytes, to: file)
            now = Platform.nanoseconds
            latency.record(nanoseconds: now - before)
            if now - reported >= 250_000_000 {
                reported = now
                let shares = [Double(latency.count) / Double(writes), Double(now - start) / Double(limit)]
                onProgress?(min(1, shares.max() ?? 0))
            }
        }
        let elapsed = Duration(nanoseconds: now - start)
        return .success(DiskProbeResult(folder: folder, writeSize: writeSize, duration: elapsed, latency: latency))
    }
}

/// Tells the thread to stop.
private final class StopFlag: Sendable {
    private let flag = Atomic(false)

    var isRaised: Bool { flag.load(ordering: .relaxed) }

    func raise() { flag.store(true, ordering: .relaxed) }
}
