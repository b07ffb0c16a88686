// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they were at one revision.
///
/// To take a snapshot costs nothing. Its lists are made when one of them is asked for the first time, once for all copies
/// of the snapshot.
public struct ServiceSnapshot: Sendable {
    /// The name of the service.
    public let service: String
    /// The revision at which the store was like this; 0 before etcd was reached.
    ///
    /// It is lower than that of the snapshot before when the store was restored from a backup.
    public let revision: Revision
    let known: SortedTable<KnownInstance>
    /// How many instances there are in ``available``.
    let availableCount: Int
    /// Counts the snapshots of a discovery.
    let version: Int
    /// How many changes of instances were logged until then.
    let logged: Int
    private let allProblems: SortedTable<RegistryProblem>
    private let lists = Lock<Lists?>(nil)

    private struct Lists {
        var instances: [ServiceInstance] = []
        var available: [ServiceInstance] = []
        var suspects: [ServiceInstance] = []
        var unhealthy: [ServiceInstance] = []
    }

    /// All instances, whatever they say of themselves, in the order of their ids.
    public var instances: [ServiceInstance] { composed.instances }

    /// The instances that take requests: those that say that they are up, and have not failed the checks.
    public var available: [ServiceInstance] { composed.available }

    /// Which of ``instances`` have vanished along with many others, and are kept for a while; see ``MassLossProtection``.
    public var suspects: [ServiceInstance] { composed.suspects }

    /// Which of ``instances`` have failed the checks of this discovery; see ``DiscoveryOptions/check``.
    public var unhealthy: [ServiceInstance] { composed.unhealthy }

    /// Entries that are no instances, in the order of their keys.
    public var problems: [RegistryProblem] { Array(allProblems) }

    /// The instance with this id, or nil if there is none.
    ///
    /// - Parameter id: Tells the instances apart, by its bytes.
    public subscript(id: ServiceInstance.ID) -> ServiceInstance? { known[Key(id)]?.instance }

    private var composed: Lists {
        lists.withLock { lists in
            if let lists { return lists }
            var new = Lists()
            new.instances.reserveCapacity(known.count)
            for known in known {
                new.instances.append(known.instance)
                if known.isAvailable { new.available.append(known.instance) }
                if known.isSuspect { new.suspects.append(known.instance) }
                if !known.isHealthy { new.unhealthy.append(known.instance) }
            }
            lists = new
            return new
        }
    }
}

extension ServiceSnapshot {
    /// The next snapshot, as it is made.
    struct Draft {
        fileprivate let service: String
        var revision: Revision
        var problems: SortedTable<RegistryProblem>
        private(set) var changes: [ChangeLog.Change] = []
        fileprivate private(set) var known: SortedTable<KnownInstance>
        fileprivate private(set) var availableCount: Int
        fileprivate let version: Int

        init(_ snapshot: ServiceSnapshot) {
            service = snapshot.service
            revision = snapshot.revision
            problems = snapshot.allProblems
            known = snapshot.known
            availableCount = snapshot.availableCount
            version = snapshot.version
        }

        /// Notes that an instance may have changed, and how it has left if it has.
        mutating func touch(_ id: Key, _ departure: ServiceEvent.Departure? = nil) {
            changes.append(ChangeLog.Change(id: id, departure: departure))
        }

        /// Sets what is known of an instance; nil if there is none.
        mutating func set(_ id: Key, _ instance: KnownInstance?) {
            let old = instance.map { known.put($0) } ?? known.remove(id)
            availableCount += (instance?.isAvailable == true ? 1 : 0) - (old?.isAvailable == true ? 1 : 0)
        }
    }

    /// The snapshot of a discovery that knows nothing yet.
    init(service: String) {
        self.service = service
        revision = 0
        known = SortedTable()
        allProblems = SortedTable()
        (availableCount, version, logged) = (0, 0, 0)
    }

    init(_ draft: Draft, logged: Int) {
        service = draft.service
        revision = draft.revision
        known = draft.known
        allProblems = draft.problems
        availableCount = draft.availableCount
        version = draft.version + 1
        self.logged = logged
    }
}
