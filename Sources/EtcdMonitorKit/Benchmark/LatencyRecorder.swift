// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Collects the latencies and errors of all callers, for the whole run and by interval.
final class LatencyRecorder: Sendable {
    /// The largest number of intervals.
    ///
    /// Beyond it, intervals are joined in pairs.
    private static let intervalLimit = 600

    struct State {
        var total = BenchmarkHistogram()
        var errors: [String: Int] = [:]
        var errorCount = 0
        var intervals: [BenchmarkResult.Interval] = []
        fileprivate let start: UInt64
        fileprivate var current = BenchmarkHistogram()
        fileprivate var currentErrors = 0
        fileprivate var currentStart: UInt64
        fileprivate var intervalLength: UInt64 = 1_000_000_000
    }

    private let state: Lock<State>

    init(start: UInt64 = Platform.nanoseconds) {
        state = Lock(State(start: start, currentStart: start))
    }

    /// Removes all records.
    func restart(at start: UInt64) {
        let new = State(start: start, currentStart: start)
        state.withLock { $0 = new }
    }

    fileprivate func record(_ times: UnsafeBufferPointer<UInt64>) {
        state.withLock { state in
            for time in times { state.current.record(nanoseconds: time) }
        }
    }

    func recordFailure(_ code: EtcdError.Code) {
        state.withLock { state in
            state.errors[code.description, default: 0] += 1
            state.errorCount += 1
            state.currentErrors += 1
        }
    }

    /// The number of successful and failed operations so far.
    var counts: (operations: Int, errors: Int) {
        state.withLock { ($0.total.count + $0.current.count, $0.errorCount) }
    }

    /// Ends the interval if it is old enough, or always.
    ///
    /// - Returns: The newest completed interval.
    @discardableResult
    func endInterval(at now: UInt64, always: Bool = false) -> BenchmarkResult.Interval? {
        state.withLock { state in
            // A timer that fires a little early must not delay an interval until the next firing.
            let isOver = now - state.currentStart >= state.intervalLength / 20 * 19
            guard isOver || always && (state.current.count > 0 || state.currentErrors > 0) else {
                return state.intervals.last
            }
            state.intervals.append(
                BenchmarkResult.Interval(
                    start: Duration(nanoseconds: state.currentStart - state.start),
                    duration: Duration(nanoseconds: now - state.currentStart),
                    operations: state.current.count,
                    errors: state.currentErrors,
                    p50: state.current.quantile(0.5),
                    p99: state.current.quantile(0.99),
                    maximum: state.current.maximum
                )
            )
            state.total.merge(state.current)
            state.current.removeAll()
            state.currentErrors = 0
            state.currentStart = now
            defer {
                if state.intervals.count >= Self.intervalLimit {
                    state.intervals = Self.joined(state.intervals)
                    state.intervalLength *= 2
                }
            }
            return state.intervals.last
        }
    }

    /// All records, after all callers have ended.
    func finish(at now: UInt64) -> State {
        endInterval(at: now, always: true)
        return state.withLock { $0 }
    }

    private static func joined(_ intervals: [BenchmarkResult.Interval]) -> [BenchmarkResult.Interval] {
        stride(from: 0, to: intervals.count, by: 2).map { index in
            guard index + 1 < intervals.count else { return intervals[index] }
            return intervals[index].joined(with: intervals[index + 1])
        }
    }
}

extension BenchmarkResult.Interval {
    /// Joins two consecutive intervals.
    ///
    /// The median of the result lies between both medians; its 99th percentile is the higher one.
    func joined(with next: Self) -> Self {
        let all = operations + next.operations
        var joined = self
        joined.duration += next.duration
        joined.operations = all
        joined.errors += next.errors
        if all > 0 {
            joined.p50 = p50 * (Double(operations) / Double(all)) + next.p50 * (Double(next.operations) / Double(all))
        }
        joined.p99 = max(p99, next.p99)
        joined.maximum = max(maximum, next.maximum)
        return joined
    }
}

/// Latencies of one caller that are not yet recorded.
///
/// They are recorded in batches, so that callers need neither a large histogram each nor a lock for each operation.
struct LatencyBuffer {
    private static let capacity = 64
    /// How long a latency waits in the buffer, in nanoseconds.
    private static let patience: UInt64 = 100_000_000

    private let recorder: LatencyRecorder
    private var times: [UInt64] = []
    private var flushed: UInt64

    init(_ recorder: LatencyRecorder, now: UInt64) {
        self.recorder = recorder
        flushed = now
        times.reserveCapacity(Self.capacity)
    }

    /// Records the latency of an operation that ended now.
    mutating func record(_ latency: UInt64, now: UInt64) {
        times.append(latency)
        if times.count == Self.capacity || now &- flushed >= Self.patience {
            flushed = now
            flush()
        }
    }

    mutating func flush() {
        times.withUnsafeBufferPointer { recorder.record($0) }
        times.removeAll(keepingCapacity: true)
    }
}
