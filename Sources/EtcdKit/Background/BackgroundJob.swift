// SPDX-License-Identifier: Apache-2.0

/// Work in the background; see ``EtcdClient/inBackground(_:)``.
package final class BackgroundJob: Sendable {
    private struct Waiting {
        let continuation: CheckedContinuation<Bool, Never>
        let limit: WaitLimits.ID
    }

    private struct State {
        var isFinished = false
        var waiting: [Int: Waiting] = [:]
        var lastNumber = 0
    }

    private let state = Lock(State())

    package init() {}

    /// It has ended.
    package func finish() {
        let waiting = state.withLock { state in
            defer { state.waiting = [:] }
            state.isFinished = true
            return state.waiting.values
        }
        for waiting in waiting {
            WaitLimits.shared.remove(waiting.limit)
            waiting.continuation.resume(returning: true)
        }
    }

    /// Waits for the end, also when the caller's task is cancelled, and no longer than `timeout`.
    ///
    /// - Returns: Whether it has ended.
    @discardableResult
    package func wait(_ timeout: Duration) async -> Bool {
        if timeout <= .zero { return state.withLock { $0.isFinished } }
        return await withCheckedContinuation { continuation in
            let isFinished = state.withLock { state in
                if state.isFinished { return true }
                state.lastNumber += 1
                let limit = WaitLimits.shared.add(.after(timeout), self, state.lastNumber)
                state.waiting[state.lastNumber] = Waiting(continuation: continuation, limit: limit)
                return false
            }
            if isFinished { continuation.resume(returning: true) }
        }
    }

    fileprivate func giveUp(_ number: Int) {
        let waiting = state.withLock { $0.waiting.removeValue(forKey: number) }
        waiting?.continuation.resume(returning: false)
    }
}

/// Ends waits that last too long, all with one timer of the loop, since timeouts are rare.
private final class WaitLimits: Sendable {
    typealias Heap = DeadlineHeap<(job: BackgroundJob, number: Int)>
    typealias ID = Heap.ID

    private struct State {
        var heap = Heap()
        /// When the timer is due; nil if there is none.
        var timer: ContinuousClock.Instant?
    }

    static let shared = WaitLimits()
    private let state = Lock(State())

    func add(_ deadline: ContinuousClock.Instant, _ job: BackgroundJob, _ number: Int) -> ID {
        let (id, isFirst) = state.withLock { state in
            let isFirst = state.timer.map { deadline < $0 } ?? true
            if isFirst { state.timer = deadline }
            return (state.heap.insert((job, number), at: MonotonicInstant(deadline)), isFirst)
        }
        if isFirst { EventLoop.execute { self.schedule(at: deadline) } }
        return id
    }

    func remove(_ id: ID) { state.withLock { _ = $0.heap.remove(id) } }

    @EventLoop
    private func schedule(at deadline: ContinuousClock.Instant) {
        _ = EventLoop.schedule(at: deadline) { self.tick(deadline) }
    }

    @EventLoop
    private func tick(_ deadline: ContinuousClock.Instant) {
        var due: [(job: BackgroundJob, number: Int)] = []
        let next = state.withLock { state -> ContinuousClock.Instant? in
            while let wait = state.heap.popDue(at: .now) { due.append(wait) }
            // Another timer may have been set for an earlier one.
            guard state.timer == deadline else { return nil }
            state.timer = state.heap.earliest?.instant
            return state.timer
        }
        for (job, number) in due { job.giveUp(number) }
        if let next { schedule(at: next) }
    }
}
