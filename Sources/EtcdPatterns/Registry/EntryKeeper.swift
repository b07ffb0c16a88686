// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps the entry of a registration in the store: it puts the entry again after the loss of the lease, the entry or the
/// store.
///
/// An entry belongs to the registration that has written it last, by the order of authors. The first put supersedes the
/// entry that is there. A later put yields to a registration that came after this one.
final class EntryKeeper: Sendable {
    /// The end of a registration by one that came later.
    private struct Supersession: Error {
        let successor: ServiceInstance
    }

    /// An entry that is as it should be.
    private struct ConfirmedEntry {
        let modRevision: Revision
        /// The revision of the store at which it was seen.
        let revision: Revision
    }

    let states = LatestValue<RegistrationState>()
    /// Ends when another registers the same instance, but not by deregistering, so that a scope that drains goes on.
    let lifetime = Lifetime()
    let entry: DesiredEntry
    let client: EtcdClient
    private let key: Key
    private let timeToLive: Duration
    private let check: HealthCheck?
    private let look: SharedLook
    private let session = Lock<Session?>(nil)

    init(
        _ instance: ServiceInstance,
        _ client: EtcdClient,
        _ key: Key,
        _ timeToLive: Duration,
        _ check: HealthCheck?,
        _ look: SharedLook
    ) {
        self.client = client
        self.key = key
        self.timeToLive = timeToLive.bounded
        self.check = check
        self.look = look
        entry = DesiredEntry(instance)
        states.send(.pending(nil))
    }

    // MARK: Staying registered

    /// Keeps the entry until the registration is superseded, or the task is cancelled.
    func run() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.stayRegistered() }
            if let check { group.addTask { await self.examine(check) } }
            await group.next()
            group.cancelAll()
        }
    }

    private func stayRegistered() async {
        var failures = 0
        while !Task.isCancelled {
            let start = ContinuousClock.now
            do {
                let session = try await Session(client, timeToLive: timeToLive)
                // A lost session is not closed: etcd may stay out of reach for long, and the lease ends by itself.
                self.session.withLock { $0 = session }
                try await session.lifetime.whileHeld { try await self.keepEntry(session) }
            } catch let end as Supersession {
                return await finish(.superseded(by: end.successor), CoordinationLoss(.superseded))
            } catch {
                if Task.isCancelled { return }
                report(error)
            }
            failures = start + timeToLive < .now ? 1 : failures + 1
            let backoff = client.configuration.backoff.delay(afterFailures: failures)
            // The time of the attempt counts as part of the pause. The loop notices a cancelled pause.
            try? await Task.sleep(until: start + backoff, clock: .continuous)
        }
    }

    private func report(_ error: any Error) { states.send(entry.hasRegistered ? .degraded(error) : .pending(error)) }

    /// Puts the entry, and puts it again whenever it is not as it should be, for as long as the lease lives.
    private func keepEntry(_ session: Session) async throws {
        var failures = 0
        while true {
            let start = ContinuousClock.now
            var version = entry.version
            var claim: DesiredEntry.Claim?
            do {
                if let confirmed = try await reconcile(session, &claim) {
                    version = claim?.version ?? version
                    try await waitForWork(confirmed, version)
                    if entry.version != version || start + .seconds(1) < .now { failures = -1 }
                }
            } catch let error as EtcdError {
                // The entry stays there with the lease, unless the lease is missing.
                if Task.isCancelled || error.code == .leaseNotFound { throw error }
                report(error)
                version = claim?.version ?? version
                if let claim, !error.mayPass { entry.refuse(claim, error) }
            }
            // After repeated failures, and repeated changes by others, the next attempt comes later.
            failures += 1
            try await entry.waitForChange(
                of: version,
                atMost: client.configuration.backoff.delay(afterFailures: failures - 1)
            )
        }
    }

    /// Puts the entry as it should be, unless another client changes it meanwhile.
    ///
    /// - Parameters:
    ///   - session: The session whose lease the entry has.
    ///   - claim: The entry that is put; it is set also if the put fails.
    /// - Returns: Nil if the entry was changed meanwhile.
    /// - Throws: `Supersession` if the entry belongs to a later registration; ``EtcdError``.
    private func reconcile(_ session: Session, _ claim: inout DesiredEntry.Claim?) async throws -> ConfirmedEntry? {
        let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
            try await client.range(.key(key))
        }
        let present = response.entries.first
        let found = present.flatMap(read)
        guard let claimed = entry.claim(found) else {
            throw Supersession(successor: found?.instance ?? entry.instance)
        }
        claim = claimed
        let value = try claimed.record.encoded()
        var (modRevision, revision) = (present?.modRevision ?? 0, response.header.revision)
        // The entry is also there after a put whose answer was lost.
        if present?.value != value || present?.lease != session.lease.id {
            let isSame = Compare.Target.modRevision(key) == present?.modRevision ?? 0
            let put = TransactionOperation.put(key, value, lease: session.lease.id)
            let answer: TransactionResponse
            do throws(EtcdError) {
                answer = try await client.transaction(if: [isSame], then: [put])
            } catch {
                throw error.naming(key, size: value.bytes.count)
            }
            guard answer.succeeded else { return nil }
            revision = answer.header.revision
            modRevision = revision
        }
        entry.accept(claimed)
        if case .registered(modRevision)? = states.newest {} else { states.send(.registered(at: modRevision)) }
        return ConfirmedEntry(modRevision: modRevision, revision: revision)
    }

    /// Waits until the entry may no longer be as it should be, or an entry other than that of `version` is wanted.
    private func waitForWork(_ confirmed: ConfirmedEntry, _ version: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.watch(confirmed) }
            group.addTask { try await self.lookAgain(confirmed) }
            group.addTask { try await self.entry.waitForChange(of: version) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    private func watch(_ confirmed: ConfirmedEntry) async throws(EtcdError) {
        var revision = confirmed.revision
        while try await !client.awaitChange(in: .key(key), after: revision, { _ in true }) {
            let newer = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                try await look.confirm(key, at: confirmed.modRevision)
            }
            guard let newer else { return }
            revision = newer
        }
    }

    /// Reads the entry once in the time to live, since a watch does not notice everything, such as a restored store.
    private func lookAgain(_ confirmed: ConfirmedEntry) async throws {
        while true {
            try await Task.sleep(for: timeToLive)
            do throws(EtcdError) {
                if try await look.confirm(key, at: confirmed.modRevision) == nil { return }
            } catch {
                if !error.code.isTransient { throw error }
            }
        }
    }

    /// Checks the instance itself.
    private func examine(_ check: HealthCheck) async {
        var health = Health()
        while !Task.isCancelled {
            if health.note(await check.passes(entry.instance), check) { entry.set(isHealthy: health.isHealthy) }
            // The loop notices a cancelled pause.
            try? await Task.sleep(for: check.pause)
        }
    }

    private func read(_ found: KeyValue) -> ServiceRecord? {
        let instance = entry.instance
        return try? ServiceRecord(found.value, under: key, service: instance.service, id: instance.id)
    }

    // MARK: The end

    /// Deletes the entry if it is still this registration's, within the time that its lease lives.
    ///
    /// The task of ``run()`` has ended.
    func leave() async {
        if case .superseded? = states.newest { return }
        // An entry that could not be deleted ends with the lease.
        try? await delete()
        await finish(.deregistered, CoordinationLoss(.released))
    }

    private func finish(_ state: RegistrationState, _ loss: CoordinationLoss) async {
        let session = session.withLock { session in
            defer { session = nil }
            return session
        }
        // The lease of a lost session ends by itself.
        if let session, session.isAlive { await session.close() }
        entry.end(loss)
        if loss.reason == .superseded { lifetime.end(loss) }
        states.send(state, isLast: true)
    }

    /// Puts the status `draining`, by which others know that the instance has not crashed, and deletes the entry.
    private func delete() async throws(EtcdError) {
        // Without a living session, the entry was never put, or ends with its lease.
        guard let session = session.withLock({ $0 }), session.isAlive else { return }
        let deadline = ContinuousClock.now + min(session.remaining, client.timeout)
        func hurried() -> EtcdClient { client.with(timeout: deadline - .now) }
        guard let found = try await hurried().get(key), read(found)?.author?.nonce == entry.nonce else { return }
        var revision = found.modRevision
        let farewell = try entry.farewell.encoded()
        if found.value != farewell {
            let response = try await hurried().transaction(
                if: [Compare.Target.modRevision(key) == revision],
                then: [.put(key, farewell, lease: session.lease.id)]
            )
            if !response.succeeded { return }
            revision = response.header.revision
        }
        try await hurried().transaction(if: [Compare.Target.modRevision(key) == revision], then: [.delete(key)])
    }
}
