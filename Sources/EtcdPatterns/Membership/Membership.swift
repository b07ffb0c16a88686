// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A place in a ``MemberGroup`` that is kept until it is left, with a new session whenever one is lost.
///
/// One that is dropped is left, too, at the latest when its lease has run out.
public final class Membership: Sendable {
    private struct State {
        var grant: LockGrant?
        /// Another has the ID.
        var isWaiting = false
        var failure: (any Error)?
    }

    /// Tells the members of the group apart.
    public let id: Key
    private let client: EtcdClient
    private let news: LatestValue<State>
    private let keeping: Task<Void, Never>

    init(_ id: Key, _ seat: Seat) {
        self.id = id
        client = seat.client
        let news = LatestValue<State>()
        self.news = news
        keeping = Task { await Self.keep(seat, news) }
    }

    deinit { keeping.cancel() }

    /// The group has this process as a member, as far as its session tells: compares the clock at each call.
    public var isActive: Bool { news.newest?.grant?.isHeld ?? false }

    /// The revision in which it joined, for a view to be compared with; nil while it is not a member.
    public var token: Revision? {
        news.newest?.grant.flatMap { $0.isHeld ? $0.fencingToken : nil }
    }

    /// What it stands on; nil while it is not a member.
    var session: Session? { news.newest?.grant?.hold.queue.session }

    /// Another has the ID, or this process has had it in an earlier life whose lease has not run out: it waits for that.
    public var isWaiting: Bool { news.newest?.isWaiting ?? false }

    /// Why the last attempt to join has failed; nil once one has succeeded, or waits for the ID.
    public var failure: (any Error)? { news.newest?.failure }

    /// Leaves the group.
    ///
    /// It goes on also when the caller's task is cancelled. When `timeout` is over, it goes on in the background, for no
    /// longer than the time to live; then the lease ends by itself. Leaving twice does nothing.
    ///
    /// - Parameter timeout: How long to wait for it.
    public func leave(timeout: Duration = .seconds(5)) async {
        keeping.cancel()
        await client.inBackground { [keeping] in await keeping.value }.wait(timeout)
    }

    // MARK: Joining

    /// Waits until it is a member, or there is no way to the cluster for `initialWait`.
    func begin(timeout: Duration?, initialWait: Duration) async throws {
        let end = timeout.map { ContinuousClock.Instant.after($0) }
        let first = min(timeout ?? initialWait, initialWait)
        let state = try await state(within: first) { $0.grant != nil || $0.isWaiting }
        if state?.grant != nil { return }
        if state != nil {
            let rest = end.map { max(.zero, $0 - .now) }
            if try await self.state(within: rest, { $0.grant != nil }) != nil { return }
        } else if timeout.map({ $0 > initialWait }) ?? true {
            return
        }
        let cause = failure as? EtcdError
        guard isWaiting else {
            throw EtcdError(.unavailable, "\"\(id)\" could not join within \(timeout ?? .zero)", cause: cause)
        }
        throw EtcdError(.deadlineExceeded, "\"\(id)\" was another's for \(timeout ?? .zero)")
    }

    /// Waits for a state.
    ///
    /// - Returns: The state; nil when the time is over.
    /// - Throws: Why it cannot join, where another attempt would not help; `cancelled`.
    private func state(within time: Duration?, _ isSought: @escaping @Sendable (State) -> Bool) async throws -> State? {
        let states = news.listen()
        return try await withTimeout(time) {
            for await state in states {
                if isSought(state) { return state }
                if let failure = state.failure, !Self.mayPass(failure) { throw failure }
            }
            throw EtcdError(.cancelled, "the task was cancelled")
        }
    }

    /// Whether another attempt may succeed.
    private static func mayPass(_ failure: any Error) -> Bool {
        switch failure {
        case let error as EtcdError: error.code == .ambiguous || error.code.isTransient
        case is QueueBlocked: false
        default: true
        }
    }

    /// Takes the place again whenever it is lost, until the task is cancelled, and then gives it up.
    private static func keep(_ seat: Seat, _ news: LatestValue<State>) async {
        let backoff = Backoff()
        var failures = 0
        while !Task.isCancelled {
            do {
                if let grant = news.newest?.grant {
                    _ = try await grant.lost
                    await seat.leave(grant)
                    news.send(State())
                }
                let grant = try await seat.take { news.send(State(isWaiting: true)) }
                news.send(State(grant: grant))
                failures = 0
            } catch {
                failures += 1
                if !Task.isCancelled { news.send(State(failure: error)) }
                // A cancelled pause ends at once.
                try? await Task.sleep(for: backoff.delay(afterFailures: failures))
            }
        }
        if let grant = news.newest?.grant {
            await seat.leave(grant, timeout: grant.hold.queue.session.lease.timeToLive)
        }
    }
}
