// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A place in a ``MemberGroup`` that is kept until it is left, with a new session whenever one is lost.
///
/// One that is dropped is left, too, at the latest when its lease has run out.
public final class Membership: Sendable {
    private struct State {
        var grant: LockGrant?
        var failure: (any Error)?
    }

    /// Tells the members of the group apart.
    public let id: Key
    private let state: Lock<State>
    private let keeping: Task<Void, Never>

    init(_ id: Key, _ seat: DistributedLock, _ grant: LockGrant) {
        self.id = id
        let state = Lock(State(grant: grant))
        self.state = state
        keeping = Task { await Self.keep(seat, state) }
    }

    deinit { keeping.cancel() }

    /// The group has this process as a member, as far as its session tells: compares the clock at each call.
    public var isActive: Bool { state.withLock { $0.grant }?.isHeld ?? false }

    /// The revision in which it joined, for a view to be compared with; nil while it is not a member.
    public var token: Revision? {
        state.withLock { $0.grant }.flatMap { $0.isHeld ? $0.fencingToken : nil }
    }

    /// Why the last attempt to join again has failed; nil once one has succeeded.
    public var failure: (any Error)? { state.withLock { $0.failure } }

    /// Leaves the group.
    ///
    /// It goes on also when the caller's task is cancelled, and is bounded by the lease's time to live.
    public func leave() async {
        keeping.cancel()
        await keeping.value
    }

    /// Takes the place again whenever it is lost, until the task is cancelled, and then gives it up.
    private static func keep(_ seat: DistributedLock, _ state: Lock<State>) async {
        let backoff = Backoff()
        var failures = 0
        while !Task.isCancelled {
            do {
                if let grant = state.withLock({ $0.grant }) {
                    _ = try await grant.lost
                    await grant.release()
                    state.withLock { $0.grant = nil }
                }
                let grant = try await seat.acquire()
                state.withLock { $0 = State(grant: grant) }
                failures = 0
            } catch {
                failures += 1
                state.withLock { $0.failure = error }
                // A cancelled pause ends at once.
                try? await Task.sleep(for: backoff.delay(afterFailures: failures))
            }
        }
        if let grant = state.withLock({ $0.grant }) { await grant.release() }
    }
}
