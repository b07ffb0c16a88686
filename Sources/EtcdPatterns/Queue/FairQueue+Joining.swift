// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Joining queues.
extension FairQueue {
    /// Values up to this number of bytes may be put in one transaction with others.
    private static let smallValue = 4096

    /// Joins the queue and waits for its turn.
    ///
    /// Unless this succeeds, no key is left that could have its turn later.
    ///
    /// - Returns: The key, which has its turn; nil if another has it and `waits` is false.
    func enter(_ role: Role, _ value: Value, waits: Bool = true) async throws -> QueueKey? {
        let queueKey = queueKey(role, value)
        let isItsTurn = try await QueueKey.keep([queueKey], on: session) {
            // Only the first in an empty queue succeeds without waiting, so there is no need to join just to check.
            if !waits && role == .exclusive {
                try await deleteStaleKeys()
                return try await Self.joinIfEmpty([(self, queueKey)], on: session)
            }
            let before = try await join(queueKey)
            if before.count == 0 { return true }
            return try await session.lifetime.whileHeld { try await advance(queueKey, before, waits) }
        }
        return isItsTurn ? queueKey : nil
    }

    /// Puts the key, and repeats that until its outcome is known.
    ///
    /// etcd runs this transaction on all members, serially with all others. So it only counts the keys, for which etcd
    /// reads none of them.
    ///
    /// - Returns: The keys that were there before, of which only the number is known.
    func join(_ queueKey: QueueKey) async throws -> Predecessors {
        let (key, role) = (queueKey.key, Role(of: queueKey.key))
        var options = RangeOptions()
        options.countOnly = true
        let counts = role.obstacles(in: name).map { TransactionOperation.range($0, options: options) }
        let old = staleKeys?.batch ?? (keys: [], deletions: [])
        let gate = client.part { JoinGate() }
        let response = try await gate.pass(client.namespace + name, within: session.lifetime) {
            try await session.retryingUntilKnown(
                if: [.isMissing(key)],
                then: [.put(key, queueKey.value, lease: session.lease.id)] + old.deletions + counts,
                // The key is there only if an earlier attempt has put it.
                else: queueKey.mayExist ? [.get(key)] + counts : [],
                batchKey: old.keys.isEmpty && queueKey.value.bytes.count <= Self.smallValue ? name : nil,
                onUnknown: { queueKey.tried() },
                onFailure: { attempt.hindered(by: $0) }
            )
        }
        attempt.answered()
        if response.succeeded {
            queueKey.entered(at: response.header.revision)
            staleKeys?.remove(old.keys)
        } else if let own = response.results.first?.entries.first {
            queueKey.found(at: own.createRevision)
        } else if !queueKey.mayExist {
            // An attempt with an unknown outcome has put it, so the next one finds it.
            queueKey.tried()
            return try await join(queueKey)
        }
        try await deleteStaleKeys()
        guard let revision = queueKey.createRevision else { throw CoordinationLoss(.keyDeleted) }
        // If an answer is missing, there may be others before a waiter that seems to be the first.
        guard response.results.count == counts.count + 1 + (response.succeeded ? old.deletions.count : 0) else {
            throw EtcdError(.protocolViolation, "\(response.results.count) results of a put in \(name) and its reads")
        }
        var count = response.results.suffix(counts.count).reduce(0) { sum, result in
            if case .range(let response) = result { sum + Int(clamping: response.count) } else { sum }
        }
        // The count includes the key itself if it includes keys of its role.
        if role == .exclusive { count -= 1 }
        return Predecessors(farther: count, role: role, name: name, end: revision)
    }

    /// Deletes the keys of the same owner that it could not delete before.
    func deleteStaleKeys() async throws {
        while let old = staleKeys?.batch, !old.keys.isEmpty {
            _ = try await session.retryingUntilKnown(
                if: [],
                then: old.deletions,
                onFailure: { attempt.hindered(by: $0) }
            )
            staleKeys?.remove(old.keys)
        }
    }

    /// Puts the keys of several queues in one transaction, if all these queues are empty.
    ///
    /// - Returns: Whether all keys are in their queues, each as the only one when it came.
    /// - Throws: ``QueueBlocked`` if the first key of one of the queues never goes away by itself.
    static func joinIfEmpty(
        _ places: [(queue: FairQueue, queueKey: QueueKey)],
        on session: Session
    ) async throws -> Bool {
        let client = session.client
        let heads = client.part { QueueHeads() }
        let names = places.map { client.namespace + $0.queue.name }
        // etcd stops at the first condition that fails. With many queues, one more condition might exceed its limit.
        let known = places.count == 1 ? names.first.flatMap { heads[$0] } : nil
        let response = try await session.retryingUntilKnown(
            if: (known.map { [.isMissing($0.key)] } ?? [])
                + places.map { Compare.Target.createRevision(in: $0.queue.range) == 0 },
            then: places.map { .put($0.queueKey.key, $0.queueKey.value, lease: session.lease.id) },
            else: places.map { .get($0.queueKey.key) } + (known.map { [.get($0.key)] } ?? []),
            onUnknown: { for place in places { place.queueKey.tried() } }
        )
        if response.succeeded {
            for place in places { place.queueKey.entered(at: response.header.revision) }
            return true
        }
        let results = response.results
        let found = results.prefix(places.count).compactMap(\.entries.first)
        guard found.count == places.count else {
            var first = results.dropFirst(places.count).map(\.entries.first)
            if known == nil || first.first??.createRevision != known?.createRevision {
                var options = RangeOptions()
                options.sort = .ascending(by: .createRevision)
                options.limit = 1
                let reads = places.map { TransactionOperation.range($0.queue.range, options: options) }
                first = try await session.lifetime.whileHeld {
                    try await session.read(reads).results.map(\.entries.first)
                }
                for (name, entry) in zip(names, first) { heads.note(entry, of: name) }
            }
            for (place, entry) in zip(places, first) {
                if let error = entry.flatMap({ QueueBlocked(by: $0, in: place.queue.name) }) { throw error }
            }
            return false
        }
        for (place, entry) in zip(places, found) { place.queueKey.found(at: entry.createRevision) }
        return true
    }
}

/// Leaving queues, so that no key is left behind.
extension QueueKey {
    /// Runs `body`, which puts keys, and deletes them unless it succeeds.
    ///
    /// `body` must end soon after the session is lost, as everything does that goes through
    /// ``Session/retryingUntilKnown(if:then:else:batchKey:onUnknown:onFailure:)`` or within the session's lifetime.
    ///
    /// - Returns: The result of `body`: whether the keys stay.
    static func keep(_ keys: [QueueKey], on session: Session, _ body: () async throws -> Bool) async throws -> Bool {
        do {
            let isSuccess = try await body()
            if let loss = session.lifetime.loss { throw loss }
            // A caller that was cancelled does not expect to hold anything.
            try Task.checkCancellation()
            if isSuccess { return true }
        } catch {
            let reason = session.lifetime.loss?.overrunUntilNow ?? error
            await leave(keys, timeout: Session.grace)
            throw reason
        }
        await leave(keys)
        return false
    }

    /// Deletes keys, also if the caller is cancelled.
    ///
    /// After the timeout, this continues in the background, for as long as the lease lives. If a key cannot be deleted,
    /// the session is given up, so that the lease takes the key. If the session is lost already, this does not wait.
    static func leave(_ keys: [QueueKey], timeout: Duration = Session.patience) async {
        let isAlive = keys.first?.session.isAlive ?? false
        let deadline = ContinuousClock.Instant.after(isAlive ? timeout : .zero)
        for job in keys.compactMap({ $0.startLeaving() }) { await job.wait(deadline - .now) }
    }

    /// Begins to delete the key, if it may be there.
    @discardableResult
    func startLeaving() -> BackgroundJob? {
        guard mayExist, session.lifetime.loss?.reason != .leaseEnded, !session.isRevoked else { return nil }
        // Another candidate of this process may join anew before the key is deleted here.
        leaveBehind()
        let isOwn = createRevision.map { Compare.Target.createRevision(key) == $0 }
        return session.client.inBackground { await self.erase(if: isOwn.map { [$0] } ?? []) }
    }

    /// Deletes the key in a batch with other transactions of the session, if there is time for one attempt.
    ///
    /// - Returns: Whether that is done.
    func eraseInBatch(within time: Duration) async -> Bool {
        if time < session.attemptTimeout || !session.isAlive { return false }
        let part = TransactionBatcher.Part(conditions: [], operations: [.delete(key)])
        let outcome = await session.batcher.run(part, on: session, grace: nil)
        guard case .success(let response)? = outcome else { return false }
        wasErased(at: response.header.revision)
        return true
    }

    /// Deletes the key, within the time that the lease lives.
    func erase(if conditions: [Compare]) async {
        let reason = session.lifetime.loss?.reason
        if reason == .leaseEnded || reason == .abandoned { return }
        let deadline = ContinuousClock.now + min(session.lease.timeToLive, session.client.timeout)
        do throws(EtcdError) {
            // Deleting it once more does no harm.
            wasErased(at: try await session.delete(key, if: conditions, until: deadline).revision)
        } catch {
            if session.isAlive { await session.end(CoordinationLoss(.abandoned, cause: error)) }
            leaveBehind()
        }
    }

    /// Notes that the key is deleted at `revision`; a put whose outcome is unknown may still create it again.
    func wasErased(at revision: Revision) {
        if hasLooseEnds { session.deleteWhenever(key) } else { session.witness.gaveUp(key, at: revision) }
    }

    /// Notes a key that is given up, but not known to be deleted: its owner deletes it when it joins anew.
    func leaveBehind() {
        let reason = session.lifetime.loss?.reason
        guard mayExist, let reason, reason != .leaseEnded, !session.isRevoked else { return }
        staleKeys?.add(key, of: session.lease.id)
    }
}

/// The first keys of queues, as found by acquisitions of one client that do not wait.
///
/// To see that a queue is empty, etcd reads all of it, which takes long if thousands wait. A key that was the first stays the
/// first for as long as it exists, and etcd finds a single key at once.
final class QueueHeads: Sendable {
    /// If there are more, all are forgotten and read again.
    private static let capacity = 1_000

    private let heads = Lock<[Key: KeyValue]>([:])

    /// The first key that was last seen in the queue of `name`, a key of the whole store.
    subscript(name: Key) -> KeyValue? { heads.withLock { $0[name] } }

    /// Notes the first key of a queue; nil if it is empty.
    func note(_ head: KeyValue?, of name: Key) {
        heads.withLock { heads in
            if heads[name] == nil, heads.count >= Self.capacity { heads = [:] }
            heads[name] = head
            // It may be long.
            heads[name]?.value = ""
        }
    }
}
