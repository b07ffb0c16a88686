// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension LoadBalancer {
    /// Replaces the instances.
    ///
    /// - Parameter instances: All instances of the service; of several with one ID, the first counts.
    public func update(_ instances: [ServiceInstance]) { update(instances, unhealthy: []) }

    func update(_ instances: [ServiceInstance], unhealthy: Set<Key>) {
        listed.withLock { listed in
            var new: [Key: Listed] = [:]
            var changes: [InstancePool.Change] = []
            for instance in instances where !options.isExcluded(instance) {
                let id = Key(instance.id)
                if new[id] != nil { continue }
                let now = Listed(instance: instance, failsChecks: unhealthy.contains(id))
                let old = listed.removeValue(forKey: id)
                new[id] = now
                if old != now { changes.append(Self.change(from: old, to: now)) }
            }
            for old in listed.values { changes.append(Self.change(from: old, to: nil)) }
            listed = new
            apply(changes)
        }
    }

    /// Applies what has changed in a discovery.
    func update(_ step: DiscoveryStep) {
        if step.old == nil { return update(step.new) }
        listed.withLock { listed in
            var changes: [InstancePool.Change] = []
            for (old, new) in step.differences {
                guard let known = new ?? old, !options.isExcluded(known.instance) else { continue }
                let now = new.map { Listed(instance: $0.instance, failsChecks: !$0.isHealthy) }
                if listed[known.key] != now { changes.append(Self.change(from: listed[known.key], to: now)) }
                listed[known.key] = now
            }
            apply(changes)
        }
    }

    private func update(_ view: ServiceView) {
        update(view.instances, unhealthy: Set(view.known.lazy.filter { !$0.isHealthy }.map(\.key)))
    }

    private static func change(from old: Listed?, to new: Listed?) -> InstancePool.Change {
        InstancePool.Change(old: old?.instance, new: new?.instance, failsChecks: new?.failsChecks ?? false)
    }

    private func apply(_ changes: [InstancePool.Change]) {
        let now = now()
        state.update { $0.pool.apply(changes, at: now) }
    }

    // MARK: Following

    /// Applies what a discovery knows now, before it is followed.
    func begin(with discovery: ServiceDiscovery) {
        state.withLock { $0.discovery = discovery }
        update(discovery.view)
    }

    /// Follows the instances of a discovery, and its active checks, until the task is cancelled.
    ///
    /// - Parameter discovery: The discovery, which others may use too.
    /// - Throws: The ``EtcdError`` that has ended the discovery.
    public func follow(_ discovery: ServiceDiscovery) async throws {
        begin(with: discovery)
        var cursor = discovery.cursor
        do {
            while true { update(try await cursor.next()) }
        } catch is CancellationError {
            return
        }
    }

    /// Follows a sequence of lists until it ends; after that, the last list stays.
    ///
    /// - Parameter updates: Lists of all instances.
    /// - Throws: The error of the sequence.
    public func follow<Updates: AsyncSequence>(_ updates: Updates) async throws
    where Updates.Element == [ServiceInstance] {
        for try await instances in updates { update(instances) }
    }

    /// Waits until there is an instance that takes requests.
    ///
    /// - Parameter timeout: How long to wait; nil for no limit.
    /// - Throws: ``NoInstanceAvailable`` after the timeout; `CancellationError`.
    public func waitUntilAvailable(timeout: Duration? = nil) async throws {
        // One instance that passes its checks is never ejected, so only an update makes one available.
        if state.withLock({ $0.pool.isAvailable }) { return }
        let isAvailable = try await withTimeout(timeout) {
            try await self.state.wait { $0.pool.isAvailable ? true : nil }
        }
        if isAvailable == nil { throw noInstance }
    }
}
