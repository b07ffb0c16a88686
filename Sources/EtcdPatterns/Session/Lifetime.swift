// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The time during which something is held; it ends once, for the first reason.
///
/// A lifetime within others ends with the first of them, at the latest.
final class Lifetime: Sendable {
    private typealias Observer = @Sendable (CoordinationLoss) -> Void

    private struct State {
        var deadline: ContinuousClock.Instant?
        var loss: CoordinationLoss?
        var observers: [Int: Observer] = [:]
        var lastObserver = 0
        /// The numbers of this one as an observer of its parents; nil until it has an observer itself.
        var places: [Int?]?

        /// Ends the lifetime if it has not ended before.
        ///
        /// - Returns: The observers to call; nil if it has ended before.
        mutating func end(_ loss: CoordinationLoss) -> [Observer]? {
            if self.loss != nil { return nil }
            self.loss = loss
            defer { observers = [:] }
            return Array(observers.values)
        }
    }

    private let state: Lock<State>
    private let parents: [Lifetime]
    /// How long before the deadline of a parent this one ends.
    private let margin: Duration
    /// Is called once, when the end is first known.
    private let onEnd: Observer?

    /// A lifetime that lasts until it is ended, at the latest until the deadline, which can be extended, or until the first
    /// of `parents` ends, or `margin` before the first of their deadlines.
    ///
    /// It notices the end of a parent when it is asked, or at once if it has an observer. Then it calls `onEnd`.
    init(
        until deadline: ContinuousClock.Instant? = nil,
        within parents: [Lifetime] = [],
        margin: Duration = .zero,
        onEnd: (@Sendable (CoordinationLoss) -> Void)? = nil
    ) {
        state = Lock(State(deadline: deadline))
        self.parents = parents
        self.margin = margin
        self.onEnd = onEnd
    }

    deinit {
        for (parent, number) in zip(parents, state.withLock { $0.places ?? [] }) { parent.forget(number) }
    }

    /// The reason why it has ended, according to the clock now; nil while it is held.
    var loss: CoordinationLoss? { loss(at: .now) }

    func loss(at now: ContinuousClock.Instant) -> CoordinationLoss? {
        for parent in parents {
            if let loss = parent.loss(at: now) { end(loss) }
        }
        if margin > .zero, let limit, limit <= now { end(CoordinationLoss(.deadline, at: limit)) }
        let (loss, deadline) = state.withLock { ($0.loss, $0.deadline) }
        guard loss == nil, let deadline, deadline <= now else { return loss }
        let expiry = state.withLock { state in
            // The deadline may just have been extended.
            state.deadline == deadline ? state.end(CoordinationLoss(.deadline, at: deadline)) : nil
        }
        tell(expiry)
        return state.withLock { $0.loss }
    }

    /// The moment until which it is certainly held, if nothing else happens; nil once it has ended.
    var deadline: ContinuousClock.Instant? {
        if loss != nil { return nil }
        return [limit, state.withLock { $0.deadline }].compactMap(\.self).min()
    }

    /// How long it is certainly held from now on; zero once it has ended.
    var remaining: Duration { max(.zero, (deadline ?? .now) - .now) }

    /// The deadline that the parents set.
    private var limit: ContinuousClock.Instant? { parents.compactMap(\.deadline).min().map { $0 - margin } }

    /// Extends the deadline, unless it has passed already.
    ///
    /// - Returns: Whether it is held.
    func extend(to deadline: ContinuousClock.Instant, at now: ContinuousClock.Instant = .now) -> Bool {
        if loss(at: now) != nil { return false }
        return state.withLock { state in
            if state.loss == nil { state.deadline = max(deadline, state.deadline ?? deadline) }
            return state.loss == nil
        }
    }

    /// Ends it; only the first reason counts.
    func end(_ loss: CoordinationLoss) {
        tell(state.withLock { $0.end(loss) })
    }

    private func tell(_ observers: [Observer]?) {
        guard let observers, onEnd != nil || !observers.isEmpty, let loss = state.withLock({ $0.loss }) else { return }
        onEnd?(loss)
        for observer in observers { observer(loss) }
    }

    /// Calls `observer` once, at the loss, or now if that was before.
    @discardableResult
    func observe(_ observer: @escaping @Sendable (CoordinationLoss) -> Void) -> Int? {
        let (number, loss, isFirst) = state.withLock { state -> (Int?, CoordinationLoss?, Bool) in
            if let loss = state.loss { return (nil, loss, false) }
            state.lastObserver += 1
            state.observers[state.lastObserver] = observer
            defer { state.places = state.places ?? [] }
            return (state.lastObserver, nil, state.places == nil)
        }
        if let loss { observer(loss) }
        if isFirst, !parents.isEmpty {
            let places = parents.map { parent in parent.observe { [weak self] loss in self?.end(loss) } }
            state.withLock { $0.places = places }
        }
        return number
    }

    /// Forgets an observer under the number that it was given.
    func forget(_ number: Int?) {
        guard let number else { return }
        state.withLock { $0.observers[number] = nil }
    }

    // MARK: Waiting

    /// Waits for the end.
    ///
    /// - Throws: `CancellationError`.
    func lost() async throws -> CoordinationLoss {
        let (stream, continuation) = AsyncStream.makeStream(of: CoordinationLoss.self)
        let number = observe { continuation.yield($0) }
        defer { forget(number) }
        for await loss in stream { return loss }
        throw CancellationError()
    }

    /// Ends it at its deadline, unless that is extended; returns when it has ended or the task is cancelled.
    func expireInTime() async {
        while let deadline, !Task.isCancelled {
            // A cancelled pause is noticed at once.
            try? await Task.sleep(until: deadline, clock: .continuous)
        }
    }

    /// Runs `body` in a task that is cancelled at the loss, as with the caller's, and waits for it.
    ///
    /// A hold that was given up is not lost: then only a cancellation of `body` is replaced by the ``CoordinationLoss``.
    ///
    /// - Throws: The error of `body`; ``CoordinationLoss`` when it was lost before `body` has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        if let loss { throw loss }
        // Not a child task: to cancel that, a second one would have to wait for the loss.
        let task = Task(executorPreference: preferredExecutor) { try await body() }
        let number = observe { _ in task.cancel() }
        let result = await withTaskCancellationHandler {
            await task.result
        } onCancel: {
            task.cancel()
        }
        forget(number)
        guard let loss else { return try result.get() }
        if loss.reason == .released {
            do { return try result.get() } catch {
                if !error.isCancellation, (error as? CoordinationLoss)?.reason != .released { throw error }
            }
        }
        throw loss.overrunUntilNow
    }
}
