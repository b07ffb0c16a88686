// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Sees to it that an instance is in the store as it is described, whatever happens to the lease, the entry or the store.
///
/// An entry belongs to the registration that has written it last, by the order of authors. A first put comes after whatever
/// is there; one that is repeated gives way to a registration that has come later.
final class Registrar: Sendable {
    /// The end of a registration by one that came later.
    private struct Supersession: Error {
        let successor: ServiceInstance
    }

    /// An entry that is as it should be: since which revision, and up to which one that is known.
    private struct Standing {
        let since: Revision
        let revision: Revision
    }

    let states = LatestValue<RegistrationState>()
    /// Lasts until another has registered as the same instance: to deregister is no loss, and a scope that drains goes on.
    let tenure = Tenure()
    let wish: RegistrationWish
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
        self.timeToLive = min(timeToLive, timeToLive.bounded)
        self.check = check
        self.look = look
        wish = RegistrationWish(instance)
        states.send(.pending(nil))
    }

    // MARK: Staying registered

    /// Stays registered until it is superseded, or the task is cancelled.
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
                // One that was lost goes by itself: there may be no way to revoke its lease for long.
                self.session.withLock { $0 = session }
                try await session.tenure.whileHeld { try await self.keepEntry(session) }
            } catch let end as Supersession {
                return await finish(.superseded(by: end.successor), CoordinationLoss(.superseded))
            } catch {
                if Task.isCancelled { return }
                tell(error)
            }
            failures = start + timeToLive < .now ? 1 : failures + 1
            let backoff = client.configuration.backoff.delay(afterFailures: failures)
            // What was waited for already, as for an etcd that is away, counts. A cancelled pause is noticed above.
            try? await Task.sleep(until: start + backoff, clock: .continuous)
        }
    }

    private func tell(_ error: any Error) {
        states.send(wish.hasRegistered ? .degraded(error) : .pending(error))
    }

    /// Puts the entry, and puts it again whenever it is not what it should be, for as long as the lease lives.
    private func keepEntry(_ session: Session) async throws {
        var failures = 0
        while true {
            let start = ContinuousClock.now
            var version = wish.version
            var claim: RegistrationWish.Claim?
            do {
                if let standing = try await reconcile(session, &claim) {
                    version = claim?.version ?? version
                    try await waitForWork(standing, version)
                    if wish.version != version || start + .seconds(1) < .now { failures = -1 }
                }
            } catch let error as EtcdError {
                // What is there stays there with the lease, unless that is what is missing.
                if Task.isCancelled || error.code == .leaseNotFound { throw error }
                tell(error)
                version = claim?.version ?? version
                if let claim, !error.mayPass { wish.refuse(claim, error) }
            }
            // One that fails, or meets another hand, again and again gives it time.
            failures += 1
            try await wish.waitForChange(
                of: version,
                atMost: client.configuration.backoff.delay(afterFailures: failures - 1)
            )
        }
    }

    /// Makes the entry what it should be, unless it changes meanwhile.
    ///
    /// - Parameters:
    ///   - session: What the entry stands on.
    ///   - claim: What is put, also if that fails.
    /// - Returns: Nil if it has to be looked at again.
    /// - Throws: `Supersession` where another has the entry; ``EtcdError``.
    private func reconcile(
        _ session: Session,
        _ claim: inout RegistrationWish.Claim?
    ) async throws -> Standing? {
        let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
            try await client.range(.key(key))
        }
        let entry = response.entries.first
        let found = entry.flatMap(read)
        guard let claimed = wish.claim(found) else {
            throw Supersession(successor: found?.instance ?? wish.instance)
        }
        claim = claimed
        let value = try claimed.record.encoded()
        var (since, revision) = (entry?.modRevision ?? 0, response.header.revision)
        // It is there already also when the put was not answered.
        if entry?.value != value || entry?.lease != session.lease.id {
            let isSame = Compare.Target.modRevision(key) == entry?.modRevision ?? 0
            let put = TransactionOperation.put(key, value, lease: session.lease.id)
            let answer = try await client.transaction(if: [isSame], then: [put])
            guard answer.succeeded else { return nil }
            revision = answer.header.revision
            since = revision
        }
        wish.fulfil(claimed)
        if case .registered(since)? = states.newest {} else { states.send(.registered(at: since)) }
        return Standing(since: since, revision: revision)
    }

    /// Waits until the entry is perhaps not what it should be any more, or something else is wanted than `version`.
    private func waitForWork(_ standing: Standing, _ version: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.watch(standing) }
            group.addTask { try await self.lookFromTimeToTime(standing) }
            group.addTask { try await self.wish.waitForChange(of: version) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    private func watch(_ standing: Standing) async throws(EtcdError) {
        var revision = standing.revision
        while try await !client.awaitChange(in: .key(key), after: revision, { _ in true }) {
            let confirmed = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                try await look.confirm(key, at: standing.since)
            }
            guard let confirmed else { return }
            revision = confirmed
        }
    }

    /// A watch may be deceived.
    private func lookFromTimeToTime(_ standing: Standing) async throws(EtcdError) {
        while true {
            // A cancelled pause is noticed below.
            try? await Task.sleep(for: timeToLive)
            try checkCancellation()
            do throws(EtcdError) {
                if try await look.confirm(key, at: standing.since) == nil { return }
            } catch {
                if !error.code.isTransient { throw error }
            }
        }
    }

    /// Checks the instance itself.
    private func examine(_ check: HealthCheck) async {
        var health = Health()
        while !Task.isCancelled {
            if health.note(await check.passes(wish.instance), check) { wish.set(isHealthy: health.isHealthy) }
            // A cancelled pause is noticed above.
            try? await Task.sleep(for: check.pause)
        }
    }

    private func read(_ entry: KeyValue) -> ServiceRecord? {
        let instance = wish.instance
        return try? ServiceRecord(entry.value, under: key, service: instance.service, id: instance.id)
    }

    // MARK: The end

    /// Takes the instance out of the store, as far as it is still its own; no longer than the lease lives.
    ///
    /// The task of ``run()`` has ended.
    func leave() async {
        if states.newest?.isLasting == false { return }
        do throws(EtcdError) { try await delete() } catch {
            // An entry that could not be deleted goes with the lease.
        }
        await finish(.deregistered, CoordinationLoss(.released))
    }

    private func finish(_ state: RegistrationState, _ loss: CoordinationLoss) async {
        let session = session.withLock { session in
            defer { session = nil }
            return session
        }
        // The lease of one that is lost ends by itself.
        if let session, session.isAlive { await session.close() }
        wish.end(loss)
        if loss.reason == .superseded { tenure.end(loss) }
        states.send(state, isLast: true)
    }

    /// Says that the instance leaves, by which others know that it has not crashed, and deletes the entry.
    private func delete() async throws(EtcdError) {
        // Nothing was put, or what was put is gone, or goes with its lease.
        guard let session = session.withLock({ $0 }), session.isAlive else { return }
        let deadline = ContinuousClock.now + min(session.remaining, client.timeout)
        func hurried() -> EtcdClient { client.with(timeout: deadline - .now) }
        guard let entry = try await hurried().get(key), read(entry)?.author?.nonce == wish.nonce else { return }
        var revision = entry.modRevision
        let farewell = try wish.farewell.encoded()
        if entry.value != farewell {
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

extension EtcdError {
    /// Trying again may help.
    var mayPass: Bool { code == .ambiguous || code.isTransient }
}
