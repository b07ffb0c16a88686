// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Sees to it that an instance is in the store as it is described, whatever happens to the lease, the entry or the store.
///
/// An entry belongs to who has written it last, by the order of authors. A first put comes after whatever is there; one
/// that is repeated gives way to whoever has come later.
final class Registrar: Sendable {
    private struct Content {
        var instance: ServiceInstance
        var author = ServiceRecord.Author()
        /// Counts the changes of what is to be put.
        var version = 0
        /// What the registration's own checks say.
        var isHealthy = true
        var hasRegistered = false
        var session: Session?

        /// What is to be in the store.
        var record: ServiceRecord {
            var instance = instance
            if !isHealthy && instance.status == .up { instance.status = .down }
            return ServiceRecord(instance, by: author)
        }
    }

    /// The end of a registration by one that came later.
    private struct Supersession: Error {
        let successor: ServiceInstance
    }

    /// What has become of a version, and those before it.
    private struct Publication {
        let version: Int
        /// Why it cannot be put; nil if it was.
        let error: EtcdError?
    }

    let states = News<RegistrationState>()
    /// Lasts until the registration has ended.
    let tenure = Tenure()
    private let client: EtcdClient
    private let key: Key
    private let timeToLive: Duration
    private let check: HealthCheck?
    private let content: Lock<Content>
    /// That something else is to be put.
    private let wanted = News<Void>()
    private let published = News<Publication>()

    init(_ instance: ServiceInstance, _ client: EtcdClient, _ key: Key, _ timeToLive: Duration, _ check: HealthCheck?) {
        self.client = client
        self.key = key
        self.timeToLive = min(timeToLive, timeToLive.bounded)
        self.check = check
        content = Lock(Content(instance: instance))
    }

    var instance: ServiceInstance { content.withLock { $0.instance } }

    // MARK: What is wanted

    /// Changes what is to be in the store, if that is still `old`.
    ///
    /// - Returns: The version to wait for; nil if it is something else by now.
    func change(_ old: ServiceInstance, to new: ServiceInstance) -> Int? {
        var isDone = false
        let version = set { content in
            isDone = content.instance == old
            if isDone { content.instance = new }
        }
        return isDone ? version : nil
    }

    private func set(_ body: (inout Content) -> Void) -> Int {
        let version = content.withLock { content in
            body(&content)
            content.version += 1
            return content.version
        }
        wanted.send(())
        return version
    }

    /// Waits until a version is in the store, or it is clear that it cannot be.
    func waitUntilPublished(_ version: Int) async throws {
        for await newest in published.listen() where newest.version >= version {
            if let error = newest.error { throw error }
            return
        }
        if let loss = tenure.loss { throw loss }
        throw EtcdError(.cancelled, "the task was cancelled")
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
                content.withLock { $0.session = session }
                try await session.tenure.whileHeld { try await self.keepEntry(session) }
            } catch let end as Supersession {
                return await finish(.superseded(by: end.successor), CoordinationLoss(.superseded))
            } catch {
                if Task.isCancelled { return }
                states.send(.degraded(error))
            }
            failures = start + timeToLive < .now ? 1 : failures + 1
            let backoff = client.configuration.backoff.delay(afterFailures: failures)
            // What was waited for already, as for an etcd that is away, counts. A cancelled pause is noticed above.
            try? await Task.sleep(until: start + backoff, clock: .continuous)
        }
    }

    /// Puts the entry, and puts it again whenever it is not what it should be, for as long as the lease lives.
    private func keepEntry(_ session: Session) async throws {
        var failures = 0
        while true {
            let start = ContinuousClock.now
            let version = content.withLock { $0.version }
            do {
                if let revision = try await reconcile(session, version) {
                    try await waitForWork(after: revision, version, atMost: timeToLive)
                    let isNew = content.withLock { $0.version } != version
                    if isNew || start + .seconds(1) < .now { failures = -1 }
                }
            } catch let error as EtcdError {
                // What is there stays there with the lease, unless that is what is missing.
                if Task.isCancelled || error.code == .leaseNotFound { throw error }
                states.send(.degraded(error))
                if !error.mayPass { published.send(Publication(version: version, error: error)) }
            }
            // Who fails, or meets another hand, again and again gives it time.
            failures += 1
            let backoff = client.configuration.backoff.delay(afterFailures: failures - 1)
            try await waitForWork(after: nil, version, atMost: backoff)
        }
    }

    /// Makes the entry what it should be, unless it changes meanwhile.
    ///
    /// - Returns: Since which revision it is; nil if that has to be looked at again.
    private func reconcile(_ session: Session, _ version: Int) async throws -> Revision? {
        let response = try await client.persist { () throws(EtcdError) in try await client.range(.key(key)) }
        let entry = response.entries.first
        let value = try claim(entry).encoded()
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
        content.withLock { $0.hasRegistered = true }
        if case .registered(since) = states.newest {} else { states.send(.registered(at: since)) }
        published.send(Publication(version: version, error: nil))
        return revision
    }

    /// What to put instead of `entry`.
    private func claim(_ entry: KeyValue?) throws -> ServiceRecord {
        let found = entry.flatMap { entry in
            try? ServiceRecord(entry.value, under: key, service: instance.service, id: instance.id)
        }
        return try content.withLock { content in
            if let found, let other = found.author, other.nonce != content.author.nonce {
                if !content.hasRegistered {
                    content.author.supersede(other)
                } else if content.author < other {
                    throw Supersession(successor: found.instance)
                }
            }
            return content.record
        }
    }

    /// Waits until the entry was changed after `revision`, or something else is wanted than `version`.
    ///
    /// It waits for a limited time only, since a watch may be deceived.
    private func waitForWork(after revision: Revision?, _ version: Int, atMost limit: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            if let revision {
                group.addTask { try await self.client.awaitChange(in: .key(self.key), after: revision) { _ in true } }
            }
            group.addTask {
                for await _ in self.wanted.listen() where self.content.withLock({ $0.version }) != version { return }
            }
            group.addTask { try await Task.sleep(for: limit) }
            defer { group.cancelAll() }
            try await group.next()
        }
        try Task.checkCancellation()
    }

    /// Checks the instance itself.
    private func examine(_ check: HealthCheck) async {
        var health = Health()
        while !Task.isCancelled {
            if health.note(await check.passes(instance), check) {
                _ = set { $0.isHealthy = health.isHealthy }
            }
            // A cancelled pause is noticed above.
            try? await Task.sleep(for: check.pause)
        }
    }

    // MARK: The end

    /// Takes the instance out of the store, as far as it is still its own; no longer than the lease lives.
    ///
    /// The task of ``run()`` has ended.
    func leave() async {
        if states.newest?.isLasting == false { return }
        await shielded {
            do throws(EtcdError) { try await self.delete() } catch {
                // What could not be deleted goes with the lease.
            }
            await self.finish(.deregistered, CoordinationLoss(.released))
        }
    }

    private func finish(_ state: RegistrationState, _ loss: CoordinationLoss) async {
        let session = content.withLock { content in
            defer { content.session = nil }
            return content.session
        }
        await session?.close()
        tenure.end(loss)
        states.send(state, isLast: true)
        published.send(published.newest ?? Publication(version: 0, error: nil), isLast: true)
    }

    /// Says that the instance leaves, by which others know that it has not crashed, and deletes the entry.
    private func delete() async throws(EtcdError) {
        let deadline = ContinuousClock.now + min(timeToLive, client.timeout)
        func hurried() -> EtcdClient { client.with(timeout: deadline - .now) }
        let (record, session) = content.withLock { content in
            var record = content.record
            record.instance.status = .draining
            return (record, content.session)
        }
        // Nothing was put, or what was put is gone.
        guard let session else { return }
        guard let entry = try await hurried().get(key), isOwn(entry) else { return }
        var revision = entry.modRevision
        let farewell = try record.encoded()
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

    private func isOwn(_ entry: KeyValue) -> Bool {
        let record = try? ServiceRecord(entry.value, under: key, service: instance.service, id: instance.id)
        return record?.author?.nonce == content.withLock { $0.author.nonce }
    }
}

extension EtcdError {
    /// Trying again may help.
    var mayPass: Bool { code == .ambiguous || code.isTransient }
}
