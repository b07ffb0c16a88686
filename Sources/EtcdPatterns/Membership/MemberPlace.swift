// SPDX-License-Identifier: Apache-2.0

import EtcdKit

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

    /// Takes the place, and waits for it while another has it.
    ///
    /// - Parameter onWaiting: Is called if another has it.
    /// - Returns: The place.
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
        var queue = try NamedQueue(name, of: "member", on: .session(session))
        queue.owner = value
        if let hold = try await queue.acquireIfAvailable(.exclusive) { return hold }
        onWaiting()
        return try await queue.acquire(.exclusive, timeout: nil)
    }

    /// Whether another attempt to take the place may succeed after this error.
    func mayPass(_ failure: any Error) -> Bool {
        switch failure {
        case let error as EtcdError: error.code == .ambiguous || error.code.isTransient
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
                if error.code == .ambiguous || error.code == .cancelled || error.code.isTransient { throw error }
                // It is gone already; or it may not be revoked, and ends when its time is over.
            }
            old.withLock { _ = $0.remove(lease) }
        }
    }
}
