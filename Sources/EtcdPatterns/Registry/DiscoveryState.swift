// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances of a service as a discovery knows them: a value without a clock or a connection.
struct DiscoveryState {
    private struct Suspect {
        let instance: ServiceInstance
        let end: ContinuousClock.Instant
    }

    /// An instance that has vanished without a word.
    private struct Vanishing {
        let instance: ServiceInstance
        let instant: ContinuousClock.Instant
        /// How many instances there were before.
        let count: Int
    }

    /// How many departures are remembered, for those who are slow to ask.
    private static let memory = 1000

    private let folder: Key
    private let protection: MassLossProtection?
    private var registered: [ServiceInstance.ID: ServiceInstance] = [:]
    private var suspects: [ServiceInstance.ID: Suspect] = [:]
    private var vanished: [Vanishing] = []
    private var problems: [Key: RegistryProblem] = [:]
    private var health: [ServiceInstance.ID: Health] = [:]
    /// Counts the snapshots; 0 before anything is known.
    private(set) var version = 0
    /// What is known, for everybody.
    private(set) var snapshot: ServiceSnapshot

    init(service: String, folder: Key, protection: MassLossProtection?) {
        self.folder = folder
        self.protection = protection
        snapshot = ServiceSnapshot(service: service, revision: 0)
    }

    // MARK: The store

    /// Applies what has changed in the store up to `revision`.
    mutating func apply(
        puts: [KeyValue],
        deletions: [KeyValue],
        at revision: Revision,
        _ now: ContinuousClock.Instant
    ) {
        let count = registered.count
        for entry in deletions { remove(entry.key, of: count, now) }
        for entry in puts { put(entry, of: count, now) }
        suspectVictims(now)
        snapshot.revision = revision
        compose()
    }

    /// The instance that an entry is of; every key below the service is one, also for Go's resolver.
    private func id(of key: Key) -> ServiceInstance.ID {
        String(decoding: key.bytes.dropFirst(folder.bytes.count), as: UTF8.self)
    }

    private mutating func put(_ entry: KeyValue, of count: Int, _ now: ContinuousClock.Instant) {
        let id = id(of: entry.key)
        do throws(RegistryProblem) {
            let record = try ServiceRecord(entry.value, under: entry.key, service: snapshot.service, id: id)
            problems[entry.key] = nil
            if instance(id)?.endpoint != record.instance.endpoint { health[id] = nil }
            registered[id] = record.instance
            suspects[id] = nil
        } catch {
            remove(entry.key, of: count, now)
            problems[entry.key] = error
        }
    }

    private mutating func remove(_ key: Key, of count: Int, _ now: ContinuousClock.Instant) {
        problems[key] = nil
        guard let instance = registered.removeValue(forKey: id(of: key)) else { return }
        if instance.status == .draining { return forget(instance.id, .deregistered) }
        vanished.append(Vanishing(instance: instance, instant: now, count: count))
        forget(instance.id, .expired)
    }

    private mutating func forget(_ id: ServiceInstance.ID, _ reason: ServiceEvent.Departure) {
        snapshot.departures.append(ServiceSnapshot.Departure(id: id, reason: reason))
        if snapshot.departures.count > Self.memory { snapshot.departures.removeFirst(Self.memory / 2) }
    }

    // MARK: Mass losses

    /// Keeps those that have vanished lately, if they are many and nobody has come in their place.
    private mutating func suspectVictims(_ now: ContinuousClock.Instant) {
        guard let protection else {
            vanished = []
            return
        }
        vanished.removeAll { $0.instant + protection.window.bounded < now || registered[$0.instance.id] != nil }
        guard let first = vanished.first, vanished.count >= protection.minimum,
            Double(registered.count) < Double(first.count) * (1 - protection.share)
        else { return }
        for victim in vanished where suspects[victim.instance.id] == nil {
            suspects[victim.instance.id] = Suspect(instance: victim.instance, end: now + protection.grace.bounded)
        }
    }

    /// When ``expire(_:)`` has something to do.
    var nextExpiry: ContinuousClock.Instant? { suspects.values.map(\.end).min() }

    /// Gives up the suspects whose time is over.
    mutating func expire(_ now: ContinuousClock.Instant) {
        for (id, suspect) in suspects where suspect.end <= now {
            suspects[id] = nil
            vanished.removeAll { $0.instance.id == id }
            forget(id, .expired)
        }
        compose()
    }

    // MARK: Checks

    /// The instance to check, or nil if it is not there any more.
    func instance(_ id: ServiceInstance.ID) -> ServiceInstance? { registered[id] ?? suspects[id]?.instance }

    /// Notes what a check of `instance` has shown, unless it is another by now.
    mutating func note(_ passed: Bool, of instance: ServiceInstance, _ check: HealthCheck) {
        guard self.instance(instance.id)?.endpoint == instance.endpoint else { return }
        var known = health[instance.id] ?? Health()
        let hasChanged = known.note(passed, check)
        health[instance.id] = known
        if hasChanged { compose() }
    }

    // MARK: The snapshot

    private mutating func compose() {
        let all = registered.merging(suspects.mapValues(\.instance)) { registered, _ in registered }
        snapshot.instances = all.values.sorted { $0.id < $1.id }
        snapshot.suspects = Set(suspects.keys)
        health = health.filter { all[$0.key] != nil }
        snapshot.unhealthy = Set(health.filter { !$0.value.isHealthy }.keys)
        snapshot.problems = problems.values.sorted { $0.key < $1.key }
        version += 1
    }
}
