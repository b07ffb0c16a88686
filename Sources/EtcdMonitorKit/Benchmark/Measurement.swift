// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Synchronization

/// Counts the operations of the callers, and their cost for this process.
final class Measurement: Sendable {
    /// The readings at the start of the measurement.
    private struct Start {
        let date = Date()
        let time = Platform.nanoseconds
        let usage = Platform.usage
        let allocations: Int?
    }

    let recorder = LatencyRecorder()
    /// The puts that were delivered to watchers.
    let puts = Atomic(0)
    let renewals = Atomic(0)
    /// The open watches or leases.
    let opened = Atomic(0)
    private let options: BenchmarkOptions
    private let allocationCount: (@Sendable () -> Int)?
    private let start: Lock<Start>
    private let openTime = Lock<Duration?>(nil)

    init(_ options: BenchmarkOptions, _ allocationCount: (@Sendable () -> Int)?) {
        self.options = options
        self.allocationCount = allocationCount
        start = Lock(Start(allocations: allocationCount?()))
    }

    /// Starts again: earlier operations do not count.
    func restart() {
        let new = Start(allocations: allocationCount?())
        start.withLock { $0 = new }
        recorder.restart(at: new.time)
    }

    /// Records that all watches or leases are open.
    func markOpened() {
        let time = Duration(nanoseconds: Platform.nanoseconds - start.withLock { $0.time })
        openTime.withLock { $0 = time }
    }

    /// The operations so far, for progress reports.
    var figures: @Sendable () -> ProgressReporter.Figures {
        { [self] in
            let newest = recorder.endInterval(at: Platform.nanoseconds)
            let (operations, errors) = recorder.counts
            let renewals = renewals.load(ordering: .relaxed)
            return ProgressReporter.Figures(
                operations: options.kind == .leases ? renewals : operations,
                errors: errors,
                successes: operations + renewals + opened.load(ordering: .relaxed),
                newest: newest
            )
        }
    }

    /// The figures, after all callers have ended.
    func finish() -> BenchmarkResult {
        let start = start.withLock { $0 }
        let end = Start(allocations: allocationCount?())
        let recorded = recorder.finish(at: end.time)
        var result = BenchmarkResult(options: options, startTime: start.date)
        result.duration = Duration(nanoseconds: end.time - start.time)
        result.latency = recorded.total
        result.errors = recorded.errors
        result.intervals = recorded.intervals
        result.processorTime = end.usage.processorTime - start.usage.processorTime
        result.peakMemory = end.usage.peakMemory
        if let before = start.allocations, let after = end.allocations { result.allocations = after - before }
        result.openTime = openTime.withLock { $0 }
        result.operations = recorded.total.count
        switch options.kind {
        case .watch:
            result.events = recorded.total.count
            result.operations = puts.load(ordering: .relaxed)
        case .watches: result.events = recorded.total.count
        case .leases: result.operations = renewals.load(ordering: .relaxed)
        default: break
        }
        return result
    }
}
