// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Synchronization

/// Reports the progress of a benchmark, and detects when it stalls.
final class ProgressReporter: Sendable {
    /// The progress of a phase.
    struct Figures {
        var operations = 0
        var errors = 0
        /// Grows with every success.
        var successes = 0
        var newest: BenchmarkResult.Interval?
    }

    /// One phase of a run.
    struct Phase {
        let phase: BenchmarkProgress.Phase
        /// The number of operations, if it is known.
        var total: Int?
        /// Its duration, if it is known.
        var duration: Duration?
        /// How long it may make no progress; nil for no limit.
        var patience: Duration?
    }

    private let interval: Duration
    private let onProgress: (@Sendable (BenchmarkProgress) -> Void)?

    init(interval: Duration, onProgress: (@Sendable (BenchmarkProgress) -> Void)?) {
        self.interval = max(interval.bounded, .milliseconds(10))
        self.onProgress = onProgress
    }

    /// Reports once that a phase has begun.
    func begin(_ phase: Phase) {
        onProgress?(BenchmarkProgress(phase: phase.phase, operations: 0, elapsed: .zero))
    }

    /// Reports a phase until the task is cancelled.
    ///
    /// - Throws: ``BenchmarkStalled`` when there was no progress for too long.
    func follow(_ phase: Phase, _ figures: @Sendable () -> Figures) async throws(BenchmarkStalled) {
        let start = ContinuousClock.now
        var next = start + interval
        var (told, toldTime) = (0, start)
        var (achieved, achievedTime) = (0, start)
        while !Task.isCancelled {
            await Task.pause(for: min(.seconds(1), next - .now))
            let now = ContinuousClock.now
            let current = figures()
            if current.successes != achieved { (achieved, achievedTime) = (current.successes, now) }
            if let patience = phase.patience, now - achievedTime > patience { throw BenchmarkStalled() }
            guard now >= next, !Task.isCancelled else { continue }
            next = max(next + interval, now)
            let elapsed = now - start
            let shares = [
                phase.total.map { Double(current.operations + current.errors) / Double($0) },
                phase.duration.map { elapsed / $0 },
            ]
            onProgress?(
                BenchmarkProgress(
                    phase: phase.phase,
                    operations: current.operations,
                    errors: current.errors,
                    elapsed: elapsed,
                    rate: Double(current.operations - told) / max((now - toldTime).inSeconds, 1e-9),
                    fraction: shares.compactMap(\.self).max().map { min(1, $0) },
                    p50: current.newest.flatMap { $0.operations > 0 ? $0.p50 : nil },
                    p99: current.newest.flatMap { $0.operations > 0 ? $0.p99 : nil }
                )
            )
            (told, toldTime) = (current.operations, now)
        }
    }
}

/// There was no progress for longer than a call may take.
struct BenchmarkStalled: Error {}
