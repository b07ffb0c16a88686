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

    let states = News<RegistrationState>()
    /// Lasts until the registration has ended.
    let tenure = Tenure()
    private let client: EtcdClient
    private let key: Key
    private let timeToLive: Duration
    private let check: HealthCheck?
    private let content: Lock<Content>
    /// The version that is to be put, and the one that was.
    private let wanted = News<Int>()
    private let published = News<Int>()

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
        wanted.send(version)
        return version
    }

    /// Waits until a version is in the store.
    func waitUntilPublished(_ version: Int) async throws {
        for await newest in published.listen() where newest >= version { return }
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
            let backoff = client.configuration.backoff.delay(afterFailures: failures, chance: .random(in: 0...1))
            // What was waited for already, as for an etcd that is away, counts. A cancelled pause is noticed above.
            try? await Task.sleep(until: start + backoff, clock: .continuous)
        }
    }

    /// Puts the entry, and puts it again whenever it is not what it should be.
    private func keepEntry(_ session: Session) async throws {
        var repairs = 0
        while true {
            let start = ContinuousClock.now
            let response = try await client.persist { () throws(EtcdError) in try await client.range(.key(key)) }
            let entry = response.entries.first
            let (record, version, isFirst) = try claim(entry)
            let value = try record.encoded()
            guard entry?.value != value || entry?.lease != session.lease.id else {
                // Also when a put was not answered.
                settle(version, at: entry?.modRevision ?? response.header.revision)
                try await waitForWork(after: response.header.revision, version)
                continue
            }
            let isSame = Compare.Target.modRevision(key) == entry?.modRevision ?? 0
            do {
                let put = TransactionOperation.put(key, value, lease: session.lease.id)
                let answer = try await client.transaction(if: [isSame], then: [put])
                if answer.succeeded {
                    settle(version, at: answer.header.revision)
                    try await waitForWork(after: answer.header.revision, version)
                }
            } catch EtcdError.Code.ambiguous {
                // The next look tells.
            }
            // Who meets another hand again and again gives it time.
            let isOurs = content.withLock { $0.version } != version || isFirst
            repairs = isOurs || start + .seconds(1) < .now ? 0 : repairs + 1
            let backoff = client.configuration.backoff.delay(afterFailures: repairs - 1, chance: .random(in: 0...1))
            try await Task.sleep(for: backoff)
        }
    }

    /// What to put instead of `entry`, as which version, and whether it is the first time.
    private func claim(_ entry: KeyValue?) throws -> (ServiceRecord, Int, Bool) {
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
            return (content.record, content.version, !content.hasRegistered)
        }
    }

    private func settle(_ version: Int, at revision: Revision) {
        content.withLock { $0.hasRegistered = true }
        if case .registered(revision) = states.newest {} else { states.send(.registered(at: revision)) }
        published.send(version)
    }

    /// Waits until the entry or what is wanted has changed; at most for the time to live, since a watch may be deceived.
    private func waitForWork(after revision: Revision, _ version: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await self.client.awaitChange(in: .key(self.key), after: revision) { _ in true } }
            group.addTask { for await newest in self.wanted.listen() where newest > version { return } }
            group.addTask { try await Task.sleep(for: self.timeToLive) }
            defer { group.cancelAll() }
            try await group.next()
        }
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
        published.send(published.newest ?? 0, isLast: true)
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
