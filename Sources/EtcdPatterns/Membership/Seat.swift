// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The place of one ID in a group, which is taken again with a new session whenever it is lost.
///
/// A session that was lost without a way to the cluster leaves its keys behind until its lease has run out. So that nobody
/// has to wait for itself, those leases are revoked before the place is taken anew.
final class Seat: Sendable {
    private let group: MemberGroup
    private let key: Key
    private let value: Value
    /// The leases of sessions that have ended, and perhaps still live in the store.
    private let old = Lock<Set<Lease.ID>>([])

    /// - Throws: ``EtcdError`` with the code `invalidArgument` for an ID that cannot be one.
    init(_ id: Key, _ value: Value, in group: MemberGroup) throws(EtcdError) {
        if id.bytes.isEmpty || id.bytes.contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(id)\" cannot be the ID of a member: it is empty, or has a slash")
        }
        self.group = group
        self.value = value
        key = group.prefix + id
    }

    var client: EtcdClient { group.client }

    /// Takes the place, and waits for it while another has it.
    ///
    /// - Parameter onWaiting: Is called if another has it.
    /// - Returns: The place.
    /// - Throws: ``EtcdError``; ``CoordinationLoss`` when the session was lost meanwhile.
    func take(onWaiting: () -> Void) async throws -> LockGrant {
        try await revokeOld()
        let session = try await Session(group.client, timeToLive: group.timeToLive)
        do {
            var lock = try DistributedLock(key, session: session)
            lock.owner = value
            if let grant = try await lock.acquireIfAvailable() { return grant }
            onWaiting()
            return try await lock.acquire()
        } catch {
            await close(session)
            throw error
        }
    }

    /// Gives the place up, with all that stands on its session.
    func leave(_ grant: LockGrant, timeout: Duration = Session.patience) async {
        grant.hold.tenure.end(CoordinationLoss(.released))
        await close(grant.hold.queue.session, timeout)
    }

    private func close(_ session: Session, _ timeout: Duration = Session.patience) async {
        old.withLock { _ = $0.insert(session.lease.id) }
        await session.close(timeout: timeout)
    }

    private func revokeOld() async throws(EtcdError) {
        for lease in old.withLock({ $0 }) {
            do throws(EtcdError) {
                try await group.client.leases.revoke(lease)
            } catch {
                if error.code == .ambiguous || error.code == .cancelled || error.code.isTransient { throw error }
                // It is gone already; or it may not be revoked, and goes when its time has come.
            }
            old.withLock { _ = $0.remove(lease) }
        }
    }
}
