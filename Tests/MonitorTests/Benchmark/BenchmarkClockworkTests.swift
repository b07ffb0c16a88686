// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

/// The schedule of operations, and the records of their latencies.
@Suite(.unit) struct BenchmarkClockworkTests {
    private func options(
        _ amount: BenchmarkOptions.Amount,
        rate: Double? = nil,
        kind: BenchmarkKind = .write
    ) -> BenchmarkOptions {
        var options = BenchmarkOptions(kind)
        options.amount = amount
        options.rate = rate
        return options
    }

    @Test func `Each operation is handed out once`() {
        let schedule = OperationSchedule(options(.operations(3)), start: 100)
        let turns = (0..<5).map { schedule.take(now: UInt64(200 + $0)) }
        #expect(turns.map { $0?.number } == [0, 1, 2, nil, nil])
        #expect(turns.map { $0?.start } == [200, 201, 202, nil, nil])
    }

    @Test func `With a rate, intended starts are evenly spaced, and a late caller skips none`() {
        let schedule = OperationSchedule(options(.operations(4), rate: 1000), start: 5_000_000)
        let turns = (0..<4).map { _ in schedule.take(now: 100_000_000) }
        #expect(turns.map { $0?.start } == [5_000_000, 6_000_000, 7_000_000, 8_000_000])
    }

    @Test func `With a duration, the operations end in time`() {
        let schedule = OperationSchedule(options(.duration(.nanoseconds(1000))), start: 5000)
        // The clock may be read just before the start on another thread.
        #expect(schedule.take(now: 4990) != nil && schedule.take(now: 5999) != nil && schedule.take(now: 6000) == nil)
        let spaced = OperationSchedule(options(.duration(.milliseconds(2)), rate: 1000), start: 0)
        #expect((0..<3).map { _ in spaced.take(now: 0)?.start } == [0, 1_000_000, nil])
    }

    @Test func `Deletions end with the keys`() {
        var options = options(.duration(.seconds(9)), kind: .delete)
        options.keySpace = 1
        let schedule = OperationSchedule(options, start: 0)
        #expect(schedule.take(now: 0) != nil && schedule.take(now: 0) == nil)
    }

    @Test(arguments: [1e-300, 1e300])
    func `No rate overflows`(rate: Double) {
        let schedule = OperationSchedule(options(.operations(.max), rate: rate), start: 1)
        #expect(schedule.take(now: 1)?.start == 1)
        _ = schedule.take(now: 1)
    }

    // MARK: Records

    @Test func `Latencies are recorded once, also those that wait in a buffer`() {
        let recorder = LatencyRecorder(start: 0)
        var buffer = LatencyBuffer(recorder, now: 0)
        for time in 1...100 { buffer.record(UInt64(time), now: UInt64(time)) }
        #expect(recorder.counts.operations == 64)
        buffer.record(101, now: 100_000_064)
        #expect(recorder.counts.operations == 101)
        buffer.record(102, now: 100_000_065)
        buffer.flush()
        let state = recorder.finish(at: 200_000_000)
        #expect(state.total.count == 102 && state.total.maximum == .nanoseconds(102))
    }

    @Test func `An interval has the operations and the errors of its time`() {
        let recorder = LatencyRecorder(start: 1000)
        func record(_ times: [UInt64]) {
            var buffer = LatencyBuffer(recorder, now: 0)
            for time in times { buffer.record(time, now: 0) }
            buffer.flush()
        }
        record([10, 20, 30])
        recorder.recordFailure(.unavailable)
        #expect(recorder.endInterval(at: 900_000_000) == nil)
        let first = recorder.endInterval(at: 1_000_001_000)
        #expect(first?.start == .zero && first?.duration == .seconds(1))
        #expect(first?.operations == 3 && first?.errors == 1)
        #expect(first?.p50 == .nanoseconds(20) && first?.p99 == .nanoseconds(30) && first?.maximum == .nanoseconds(30))
        record([40])
        let state = recorder.finish(at: 1_500_001_000)
        #expect(state.intervals.map(\.operations) == [3, 1] && state.intervals.map(\.errors) == [1, 0])
        #expect(state.intervals.last?.start == .seconds(1) && state.intervals.last?.duration == .milliseconds(500))
        #expect(state.errors == ["unavailable": 1] && state.errorCount == 1 && state.total.count == 4)
    }

    @Test func `A long run has at most 600 intervals, which cover all operations`() {
        let recorder = LatencyRecorder(start: 0)
        for second in 1...2000 as ClosedRange<UInt64> {
            var buffer = LatencyBuffer(recorder, now: 0)
            buffer.record(second, now: 0)
            buffer.flush()
            recorder.endInterval(at: second * 1_000_000_000)
        }
        let state = recorder.finish(at: 2_000_000_000_000)
        #expect((300...600).contains(state.intervals.count))
        #expect(state.intervals.reduce(0) { $0 + $1.operations } == 2000)
        #expect(state.intervals.reduce(.zero) { $0 + $1.duration } == .seconds(2000))
        for (interval, next) in zip(state.intervals, state.intervals.dropFirst()) {
            #expect(interval.start + interval.duration == next.start)
            #expect(interval.maximum < next.maximum && interval.p50 < next.p50)
        }
    }
}
