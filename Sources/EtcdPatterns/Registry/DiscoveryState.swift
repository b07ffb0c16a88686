// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The instances of a service as a discovery knows them: a value without a clock or a connection.
///
/// The cost of a change depends on the entries that have changed, not on the number of instances.
struct DiscoveryState: Sendable {
    private struct Suspect {
        let instance: ServiceInstance
        let end: ContinuousClock.Instant
    }

    private let folder: Key
    private var registered: [Key: ServiceInstance] = [:]
    private var suspects: [Key: Suspect] = [:]
    private var losses: MassLosses?
    private var health: [Key: Health] = [:]
    /// The time at which the first suspect is given up, or an earlier one.
    private var nextEnd: ContinuousClock.Instant?
    private var log = ChangeLog()
    /// The changes of instances that ``view`` does not have yet.
    private var changes: [ChangeLog.Change] = []
    /// The instances as readers see them.
    private(set) var view: ServiceView

    init(service: String, folder: Key, protection: MassLossProtection?) {
        self.folder = folder
        losses = protection.map(MassLosses.init)
        view = ServiceView(service: service)
    }

    /// Counts the views; 0 before anything is known.
    var version: Int { view.version }

    // MARK: The store

    /// Applies what has changed in the store up to `revision`.
    mutating func apply(
        puts: [RegistryEntry],
        deletions: [Key],
        at revision: Revision,
        _ now: ContinuousClock.Instant
    ) {
        let count = registered.count
        view.revision = revision
        for key in deletions { remove(key, of: count, now) }
        for entry in puts { put(entry, of: count, now) }
        suspectVictims(now)
        finishView()
    }

    private mutating func put(_ entry: RegistryEntry, of count: Int, _ now: ContinuousClock.Instant) {
        switch entry.content {
        case .success(let new):
            let id = entry.key.dropping(folder)
            view.allProblems.remove(entry.key)
            if instance(id)?.endpoint != new.endpoint { health[id] = nil }
            registered[id] = new
            suspects[id] = nil
            losses?.forget(id)
            touch(id)
        case .failure(let problem):
            remove(entry.key, of: count, now)
            view.allProblems.put(problem)
        }
    }

    private mutating func remove(_ key: Key, of count: Int, _ now: ContinuousClock.Instant) {
        view.allProblems.remove(key)
        let id = key.dropping(folder)
        guard let instance = registered.removeValue(forKey: id) else { return }
        if instance.status == .draining { return touch(id, .deregistered) }
        losses?.note(id, instance, of: count, now)
        touch(id, .expired)
    }

    // MARK: Mass losses

    private mutating func suspectVictims(_ now: ContinuousClock.Instant) {
        guard let victims = losses?.takeVictims(leaving: registered.count, now), let losses else { return }
        for (id, instance) in victims where suspects[id] == nil {
            let end = now + losses.grace
            suspects[id] = Suspect(instance: instance, end: end)
            nextEnd = min(end, nextEnd ?? end)
            touch(id)
        }
    }

    /// The time at which ``expire(_:)`` has something to do, or an earlier one.
    var nextExpiry: ContinuousClock.Instant? { suspects.isEmpty ? nil : nextEnd }

    /// Gives up the suspects whose time is over.
    mutating func expire(_ now: ContinuousClock.Instant) {
        let ended = suspects.filter { $0.value.end <= now }.map(\.key)
        for id in ended {
            suspects[id] = nil
            losses?.forget(id)
        }
        nextEnd = suspects.values.map(\.end).min()
        if ended.isEmpty { return }
        for id in ended { touch(id, .expired) }
        finishView()
    }

    // MARK: Checks

    /// The instance to check, or nil if it is gone.
    func instance(_ id: Key) -> ServiceInstance? { registered[id] ?? suspects[id]?.instance }

    /// Notes the result of a check of `instance`, unless its endpoint has changed since.
    mutating func note(_ passed: Bool, of instance: ServiceInstance, _ check: HealthCheck) {
        let id = Key(instance.id)
        guard self.instance(id)?.endpoint == instance.endpoint else { return }
        guard health[id, default: Health()].note(passed, check) else { return }
        touch(id)
        finishView()
    }

    // MARK: The view

    /// The difference to `old`, for a follower that has seen it.
    func step(from old: ServiceView?) -> DiscoveryStep { DiscoveryStep(from: old, to: view, log) }

    /// Notes that an instance may have changed, and how it has left if it has.
    private mutating func touch(_ id: Key, _ departure: ServiceEvent.Departure? = nil) {
        changes.append(ChangeLog.Change(id: id, departure: departure))
    }

    /// Applies the changes to the view, in place unless a reader has a copy of it.
    private mutating func finishView() {
        for change in changes {
            let id = change.id
            let known = instance(id)
            if known == nil { health[id] = nil }
            let isHealthy = health[id]?.isHealthy ?? true
            view.set(id, known.map { KnownInstance(id, $0, isSuspect: registered[id] == nil, isHealthy: isHealthy) })
            log.append(change)
        }
        changes = []
        view.finish(logged: log.end)
    }
}
