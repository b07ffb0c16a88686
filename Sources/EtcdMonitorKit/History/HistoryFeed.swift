// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The queue of snapshots for one sink, with the loop that delivers them.
///
/// It has no timer: each new snapshot triggers the write of snapshots that have waited long enough, or a retry.
final class HistoryFeed: Sendable {
    /// The largest number of snapshots in one write.
    static let maximumBatch = 60

    private struct State {
        var waiting: [MonitorSnapshot] = []
        /// The time when the first of them arrived.
        var gatheringSince: ContinuousClock.Instant?
        /// The time of the next attempt.
        var retry: ContinuousClock.Instant?
        var attempts = 0
        var error: String?
        var dropped = 0
        var failingSince: Date?
        var isEnding = false
    }

    private let sink: any HistorySink
    private let name: String
    private let flushInterval: Duration
    private let capacity: Int
    private let backoff: Backoff
    private let state = Lock(State())
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    /// Makes a feed.
    ///
    /// - Parameters:
    ///   - sink: The sink.
    ///   - capacity: The largest number of waiting snapshots.
    ///   - backoff: The pauses after failures.
    init(
        _ sink: any HistorySink,
        capacity: Int,
        backoff: Backoff = Backoff(initial: .seconds(1), maximum: .seconds(60), multiplier: 2)
    ) {
        self.sink = sink
        name = sink.name
        flushInterval = sink.flushInterval
        self.capacity = max(1, capacity)
        self.backoff = backoff
        (signals, signal) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    }

    /// The reason why the sink is behind; nil if it is not.
    var failure: HistoryFailure? {
        state.withLock { state in
            guard let since = state.failingSince else { return nil }
            return HistoryFailure(
                sink: name,
                reason: state.error ?? "it takes too long",
                since: since,
                waiting: state.waiting.count,
                dropped: state.dropped
            )
        }
    }

    /// Adds a snapshot without waiting, and drops the oldest if there are too many.
    func add(_ snapshot: MonitorSnapshot) {
        state.withLock { state in
            state.waiting.append(snapshot)
            if state.gatheringSince == nil { state.gatheringSince = .now }
            bound(&state)
        }
        signal.yield()
    }

    /// Records a failure from before the first write.
    func note(_ error: String) {
        state.withLock { state in
            state.error = error
            state.failingSince = state.failingSince ?? Date()
        }
    }

    /// Makes ``run()`` return after one more attempt to write the waiting snapshots.
    func end() {
        state.withLock { state in
            state.isEnding = true
            state.retry = nil
        }
        signal.yield()
        signal.finish()
    }

    /// Writes until ``end()``.
    func run() async {
        for await _ in signals {
            while let batch = take() { await write(batch) }
        }
    }

    private func take() -> [MonitorSnapshot]? {
        state.withLock { state in
            guard let since = state.gatheringSince else { return nil }
            if let retry = state.retry, retry > .now { return nil }
            let isMuch = state.waiting.count >= min(Self.maximumBatch, capacity / 2)
            let isDue = isMuch || state.isEnding || state.retry != nil
            guard isDue || .now - since >= flushInterval else { return nil }
            let batch = Array(state.waiting.prefix(Self.maximumBatch))
            state.waiting.removeFirst(batch.count)
            if state.waiting.isEmpty { state.gatheringSince = nil }
            return batch
        }
    }

    private func write(_ batch: [MonitorSnapshot]) async {
        do throws(HistorySinkError) {
            try await sink.write(batch)
            state.withLock { state in
                state.retry = nil
                state.attempts = 0
                state.error = nil
                // A sink that is always behind is too slow, even if nothing fails.
                guard state.dropped == 0 || state.waiting.isEmpty else { return }
                state.dropped = 0
                state.failingSince = nil
            }
        } catch {
            state.withLock { state in
                state.waiting = batch + state.waiting
                state.gatheringSince = state.gatheringSince ?? .now
                state.attempts += 1
                state.retry = .now + backoff.delay(afterFailures: state.attempts)
                state.error = error.message
                state.failingSince = state.failingSince ?? Date()
                bound(&state)
            }
        }
    }

    private func bound(_ state: inout State) {
        let surplus = state.waiting.count - capacity
        guard surplus > 0 else { return }
        state.waiting.removeFirst(surplus)
        state.dropped += surplus
        state.failingSince = state.failingSince ?? Date()
    }
}
