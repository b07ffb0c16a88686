// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Whether something is still held: it is until the first reason against it, and then never again.
///
/// A tenure within others ends with the first of them, at the latest.
final class Tenure: Sendable {
    private typealias Observer = @Sendable (CoordinationLoss) -> Void

    private struct State {
        var deadline: ContinuousClock.Instant?
        var loss: CoordinationLoss?
        var observers: [Int: Observer] = [:]
        var lastObserver = 0

        /// Ends the tenure if it has not ended before.
        ///
        /// - Returns: Who is to be told.
        mutating func end(_ loss: CoordinationLoss) -> [Observer] {
            if self.loss != nil { return [] }
            self.loss = loss
            defer { observers = [:] }
            return Array(observers.values)
        }

        /// Ends the tenure if its deadline has passed.
        mutating func expire(at now: ContinuousClock.Instant) -> [Observer] {
            guard let deadline, deadline <= now else { return [] }
            return end(CoordinationLoss(.deadline, at: deadline))
        }
    }

    private let state: Lock<State>
    private let parents: [Tenure]
    /// How long before the deadline of a parent it ends.
    private let margin: Duration
    /// Under which numbers the parents have this one as an observer.
    private let places = Lock<[Int?]>([])

    /// A tenure that lasts until it is ended.
    init() {
        state = Lock(State())
        parents = []
        margin = .zero
    }

    /// A tenure that lasts until a deadline, which can be put off.
    init(until deadline: ContinuousClock.Instant) {
        state = Lock(State(deadline: deadline))
        parents = []
        margin = .zero
    }

    /// A tenure that ends with the first of `parents`, or so long before the deadline of that.
    init(within parents: [Tenure], margin: Duration = .zero) {
        state = Lock(State())
        self.parents = parents
        self.margin = margin
        let numbers = parents.map { parent in parent.observe { [weak self] loss in self?.end(loss) } }
        places.withLock { $0 = numbers }
    }

    /// A tenure that ends with `parent`, or so long before its deadline.
    convenience init(within parent: Tenure, margin: Duration = .zero) { self.init(within: [parent], margin: margin) }

    deinit {
        for (parent, number) in zip(parents, places.withLock { $0 }) {
            if let number { parent.forget(number) }
        }
    }

    /// Why it has ended, judged by the clock now; nil while it is held.
    var loss: CoordinationLoss? { loss(at: .now) }

    func loss(at now: ContinuousClock.Instant) -> CoordinationLoss? {
        for parent in parents {
            if let loss = parent.loss(at: now) { end(loss) }
        }
        if margin > .zero, let limit, limit <= now { end(CoordinationLoss(.deadline, at: limit)) }
        tell(state.withLock { $0.expire(at: now) })
        return state.withLock { $0.loss }
    }

    /// Until when it is certainly held, if nothing else happens; nil once it has ended.
    var deadline: ContinuousClock.Instant? {
        if loss != nil { return nil }
        return [limit, state.withLock { $0.deadline }].compactMap(\.self).min()
    }

    /// The deadline that the parents set.
    private var limit: ContinuousClock.Instant? { parents.compactMap(\.deadline).min().map { $0 - margin } }

    /// Puts the deadline off, unless it has passed already.
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

    private func tell(_ observers: [Observer]) {
        guard let loss = observers.isEmpty ? nil : state.withLock({ $0.loss }) else { return }
        for observer in observers { observer(loss) }
    }

    /// Calls `observer` once, at the loss, or now if that was before.
    @discardableResult
    func observe(_ observer: @escaping @Sendable (CoordinationLoss) -> Void) -> Int? {
        let (number, loss) = state.withLock { state -> (Int?, CoordinationLoss?) in
            if let loss = state.loss { return (nil, loss) }
            state.lastObserver += 1
            state.observers[state.lastObserver] = observer
            return (state.lastObserver, nil)
        }
        if let loss { observer(loss) }
        return number
    }

    private func forget(_ number: Int) {
        state.withLock { $0.observers[number] = nil }
    }

    // MARK: Waiting

    /// Waits for the end.
    ///
    /// - Throws: `cancelled`.
    func lost() async throws(EtcdError) -> CoordinationLoss {
        let (stream, continuation) = AsyncStream.makeStream(of: CoordinationLoss.self)
        let number = observe { continuation.yield($0) }
        defer { if let number { forget(number) } }
        for await loss in stream { return loss }
        throw EtcdError(.cancelled, "the task was cancelled")
    }

    /// Ends it at its deadline, unless that is put off; returns when it has ended or the task is cancelled.
    func expireInTime() async {
        while let deadline, !Task.isCancelled {
            // A cancelled pause is noticed at once.
            try? await Task.sleep(until: deadline, clock: .continuous)
        }
    }

    private enum Outcome<Result: Sendable>: Sendable {
        case finished(Swift.Result<Result, any Error>)
        case lost(CoordinationLoss?)
    }

    /// Runs `body` in a child task that is cancelled at the loss, and waits for it.
    ///
    /// - Throws: What `body` throws; ``CoordinationLoss`` when it was lost before `body` has ended.
    func whileHeld<Result: Sendable>(_ body: @escaping @Sendable () async throws -> Result) async throws -> Result {
        if let loss { throw loss }
        return try await withThrowingTaskGroup(of: Outcome<Result>.self) { group in
            group.addTask {
                do { return .finished(.success(try await body())) } catch { return .finished(.failure(error)) }
            }
            group.addTask { .lost(try? await self.lost()) }
            defer { group.cancelAll() }
            while let outcome = try await group.next() {
                switch outcome {
                case .finished(let result):
                    guard let loss else { return try result.get() }
                    // Who has given it up has not lost it.
                    if loss.reason == .released, case .success(let value) = result { return value }
                    throw loss.overrunUntilNow
                case .lost(let loss):
                    // Without a loss, it is the caller that was cancelled, which is for `body` to answer.
                    if loss != nil { group.cancelAll() }
                }
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }
}
