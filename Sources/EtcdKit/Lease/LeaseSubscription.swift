// SPDX-License-Identifier: Apache-2.0

/// A consumer for which a lease is kept alive, and which gets its states.
///
/// The loop stores the newest update, and the consumer's task takes it on its own thread. So a renewal without a
/// waiting task needs no thread switch.
final class LeaseSubscription: Sendable {
    enum Update: Sendable {
        /// The newest renewal was answered, with a new time to live.
        case renewed(until: MonotonicInstant, Duration, interruptions: Int)
        case atRisk(until: MonotonicInstant, EtcdError?)
    }

    private struct State {
        var newest: Update?
        var interruptions = 0
        var hasBegun = false
        var ending: EtcdError?
    }

    let id: Lease.ID
    private let state = Lock(State())
    /// Wakes the consumer, since there may be an update.
    let change = AsyncCondition()

    init(_ id: Lease.ID) { self.id = id }

    /// How often the renewals had gone on over another stream at the newest renewal that was taken.
    var interruptions: Int { state.withLock { $0.interruptions } }

    /// Returns true once.
    func begin() -> Bool {
        state.withLock { state in
            defer { state.hasBegun = true }
            return !state.hasBegun
        }
    }

    /// Waits until there is something to ``take()``.
    func next() async throws(EtcdError) -> Update {
        while true {
            if let update = try take() { return update }
            await change.wait { isReady }
        }
    }

    /// There is something to take.
    var isReady: Bool { state.withLock { $0.newest != nil || $0.ending != nil } }

    /// The newest update that was not taken yet; nil if there is none.
    ///
    /// - Throws: Why the subscription has ended, or `cancelled`.
    @inline(never)
    func take() throws(EtcdError) -> Update? {
        try state.withLock { state throws(EtcdError) in
            if let ending = state.ending { throw ending }
            if let update = state.newest.take() {
                if case .renewed(_, _, let interruptions) = update { state.interruptions = interruptions }
                return update
            }
            if Task.isCancelled { throw EtcdError.cancelledTask }
            return nil
        }
    }

    func publish(_ update: Update) {
        state.withLock { $0.newest = update }
        change.wakeAll()
    }

    func end(_ error: EtcdError) {
        state.withLock { $0.ending = $0.ending ?? error }
        change.wakeAll()
    }
}
