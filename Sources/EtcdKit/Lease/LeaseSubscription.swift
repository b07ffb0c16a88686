// SPDX-License-Identifier: Apache-2.0

/// One party that wants a lease kept alive and hears how it stands.
///
/// The loop leaves the newest update, and the party's task takes it where it runs: only the task's wait is ended from the
/// loop, so a renewal that nobody waits for costs no change of threads.
final class LeaseSubscription: Sendable {
    enum Update: Sendable {
        /// The newest renewal was answered, with a new time to live.
        case renewed(until: MonotonicInstant, Duration, interruptions: Int)
        case atRisk(until: MonotonicInstant, EtcdError?)
    }

    private struct State {
        var newest: Update?
        /// How often the renewals had gone on over another stream at the newest renewal that was taken.
        var interruptions = 0
        var hasBegun = false
        var ending: EtcdError?
        var isCancelled = false
        /// The task that waits, which is resumed when it is taken from here, so once.
        var waiting: UnsafeContinuation<Void, Never>?

        var isReady: Bool { ending != nil || newest != nil }

        mutating func startWaiting() -> Bool {
            isCancelled = false
            return !isReady
        }
    }

    let id: Lease.ID
    private let state = Lock(State())

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

    /// The newest update that was not taken yet, or the end.
    ///
    /// One task may wait.
    func next() async throws(EtcdError) -> Update {
        await wait()
        return try take()
    }

    /// Waits until there is something to take, or the task is cancelled.
    ///
    /// It holds little, since there may be thousands of tasks that wait.
    func wait() async {
        if !mustWait { return }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { wait($0) }
        } onCancel: {
            wake { $0.isCancelled = true }
        }
    }

    private var mustWait: Bool {
        @inline(never) get { state.withLock { $0.startWaiting() } }
    }

    /// The newest update that was not taken yet, or the end; for a task that has waited and was cancelled, that.
    func take() throws(EtcdError) -> Update {
        try state.withLock { state throws(EtcdError) in
            if let ending = state.ending { throw ending }
            if let update = state.newest.take() {
                if case .renewed(_, _, let interruptions) = update { state.interruptions = interruptions }
                return update
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }

    func publish(_ update: Update) {
        wake { $0.newest = update }
    }

    func end(_ error: EtcdError) {
        wake { if $0.ending == nil { $0.ending = error } }
    }

    @inline(never)
    private func wait(_ continuation: UnsafeContinuation<Void, Never>) {
        let mustWait = state.withLock { state in
            if state.isReady || state.isCancelled { return false }
            state.waiting = continuation
            return true
        }
        if !mustWait { continuation.resume() }
    }

    /// Changes something that a task may wait for.
    private func wake(_ change: (inout State) -> Void) {
        let waiting = state.withLock { state in
            change(&state)
            return state.waiting.take()
        }
        waiting?.resume()
    }
}
