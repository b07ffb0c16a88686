// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A place in a ``MemberGroup`` that is kept until it is left, and taken again whenever it is lost.
///
/// If it is dropped, the place is left too, at the latest when its lease has run out.
public final class Membership: Sendable {
    private struct State {
        var hold: Hold?
        /// Another process has the ID.
        var isWaiting = false
        var failure: (any Error)?
    }

    /// The ID of the member.
    public let id: String
    private let place: MemberPlace
    private let latest: LatestValue<State>
    private let keeping: Task<Void, Never>

    init(_ id: String, _ place: MemberPlace) {
        self.id = id
        self.place = place
        let latest = LatestValue<State>()
        self.latest = latest
        keeping = Task { await Self.keep(place, latest) }
    }

    deinit { keeping.cancel() }

    private var hold: Hold? { latest.newest?.hold.flatMap { $0.lifetime.loss == nil ? $0 : nil } }

    /// Whether the group has this process as a member, according to its session: compares the clock at each call.
    public var isActive: Bool { hold != nil }

    /// The revision at which it joined, to compare a view with; nil while it is not a member.
    public var token: Revision? { hold?.createRevision }

    /// The session of the membership; nil while it is not a member.
    var session: Session? { latest.newest?.hold?.session }

    /// Whether it waits because another process has the ID, or an earlier run of this one whose lease still lives.
    public var isWaiting: Bool { latest.newest?.isWaiting ?? false }

    /// The error of the last attempt to join; nil once an attempt has succeeded, or waits for the ID.
    ///
    /// If it is a ``CoordinationLoss`` of a session that was given, no other attempt follows.
    public var failure: (any Error)? { latest.newest?.failure }

    /// Leaves the group.
    ///
    /// This goes on if the caller's task is cancelled. After `timeout`, it continues in the background, for no longer
    /// than the time to live; then the lease ends by itself. Leaving twice does nothing.
    ///
    /// - Parameter timeout: How long to wait.
    public func leave(timeout: Duration = .seconds(5)) async {
        keeping.cancel()
        await place.client.inBackground { [keeping] in await keeping.value }.wait(timeout)
    }

    // MARK: Joining

    /// Waits until it is a member, or etcd does not answer for `initialWait`.
    func begin(timeout: Duration?, initialWait: Duration) async throws {
        let end = timeout.map { ContinuousClock.Instant.after($0) }
        let first = min(timeout ?? initialWait, initialWait)
        let state = try await state(within: first) { $0.hold != nil || $0.isWaiting }
        if state?.hold != nil { return }
        if state != nil {
            let rest = end.map { max(.zero, $0 - .now) }
            if try await self.state(within: rest, { $0.hold != nil }) != nil { return }
        } else if timeout.map({ $0 > initialWait }) ?? true {
            return
        }
        let busy = BusyError(name: id, waited: timeout ?? .zero)
        throw isWaiting ? busy : EtcdError(.unavailable, "\(busy): etcd has not answered", cause: failure)
    }

    /// Waits for a state.
    ///
    /// - Returns: The state; nil when the time is over.
    /// - Throws: The error of an attempt to join that another attempt would not change; `CancellationError`.
    private func state(within time: Duration?, _ isSought: @escaping @Sendable (State) -> Bool) async throws -> State? {
        let states = latest.listen()
        return try await withTimeout(time) { [place] in
            for await state in states {
                if isSought(state) { return state }
                if let failure = state.failure, !place.mayPass(failure) { throw failure }
            }
            throw CancellationError()
        }
    }

    /// Takes the place again whenever it is lost, until the task is cancelled, and then gives it up; ends with the session
    /// if that was given.
    private static func keep(_ place: MemberPlace, _ latest: LatestValue<State>) async {
        let backoff = Backoff()
        var failures = 0
        while !Task.isCancelled {
            do {
                if let hold = latest.newest?.hold {
                    _ = try await hold.lifetime.lost()
                    await place.leave(hold)
                    latest.send(State())
                }
                let hold = try await place.take { latest.send(State(isWaiting: true)) }
                latest.send(State(hold: hold))
                failures = 0
            } catch {
                failures += 1
                if !Task.isCancelled { latest.send(State(failure: error)) }
                if error is CoordinationLoss, !place.mayPass(error) { return }
                await Task.pause(for: backoff.delay(afterFailures: failures))
            }
        }
        if let hold = latest.newest?.hold { await place.leave(hold, timeout: hold.session.lease.timeToLive) }
    }
}

/// The place of one ID in a group, which is taken again whenever it is lost.
///
/// A session that was lost while etcd did not answer leaves its keys behind until its lease has run out. So that a member
/// need not wait for itself, those leases are revoked before the place is taken anew.
final class MemberPlace: Sendable {
    private let source: SessionSource
    private let name: String
    private let value: Value
    /// The leases of sessions that have ended, but may still exist in the store.
    private let old = Lock<Set<Lease.ID>>([])

    /// - Throws: ``EtcdError`` with the code `invalidArgument` for an ID that is empty or has a slash.
    init(_ id: String, _ value: Value, in group: MemberGroup) throws(EtcdError) {
        if id.isEmpty || id.utf8.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(id)\" cannot be the ID of a member: it is empty, or has a slash")
        }
        source = group.source
        name = "\(group.prefix)\(id)"
        self.value = value
    }

    var client: EtcdClient { source.client }

    /// Takes the place, and waits for it while another process has it, after a call of `onWaiting`.
    ///
    /// - Throws: ``EtcdError``; ``CoordinationLoss`` when the session was lost meanwhile; `CancellationError`.
    func take(onWaiting: () -> Void) async throws -> Hold {
        try await revokeOld()
        if let session = source.shared { return try await take(on: session, onWaiting) }
        let session = try await Session(client, timeToLive: source.timeToLive)
        do {
            return try await take(on: session, onWaiting)
        } catch {
            await close(session)
            throw error
        }
    }

    private func take(on session: Session, _ onWaiting: () -> Void) async throws -> Hold {
        let queue = try NamedQueue(name, of: "member", on: .session(session))
        if let hold = try await queue.acquireIfAvailable(.exclusive, value) { return hold }
        onWaiting()
        return try await queue.acquire(.exclusive, value, timeout: nil)
    }

    /// Whether another attempt to take the place may succeed after this error.
    func mayPass(_ failure: any Error) -> Bool {
        switch failure {
        case let error as EtcdError: error.mayPass
        // A session that was given is not replaced.
        case is CoordinationLoss: source.shared?.isAlive ?? true
        case is QueueBlocked: false
        default: true
        }
    }

    /// Gives the place up; a session of its own ends with it.
    func leave(_ hold: Hold, timeout: Duration = Session.patience) async {
        hold.lifetime.end(CoordinationLoss(.released))
        if source.shared != nil { return await hold.release(timeout: timeout) }
        await close(hold.session, timeout)
    }

    private func close(_ session: Session, _ timeout: Duration = Session.patience) async {
        old.withLock { _ = $0.insert(session.lease.id) }
        await session.close(timeout: timeout)
    }

    private func revokeOld() async throws(EtcdError) {
        for lease in old.withLock({ $0 }) {
            do throws(EtcdError) {
                try await client.leases.revoke(lease)
            } catch {
                if error.mayPass || error.code == .cancelled { throw error }
                // It is gone already, or it may not be revoked and expires.
            }
            old.withLock { _ = $0.remove(lease) }
        }
    }
}
