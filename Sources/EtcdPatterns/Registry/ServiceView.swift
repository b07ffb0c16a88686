// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they were at one revision.
///
/// To take a view costs nothing. Its lists are made when one of them is first used, once for all copies of the view.
public struct ServiceView: Sendable, CustomStringConvertible {
    /// The name of the service.
    public let service: String
    /// The revision at which the store was like this; 0 before etcd was reached.
    ///
    /// It is lower than that of the view before when the store was restored from a backup.
    public let revision: Revision
    let known: SortedTable<KnownInstance>
    /// How many instances there are in ``available``.
    let availableCount: Int
    /// Counts the views of a discovery.
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

    /// All instances, whatever their status, in the order of their IDs.
    public var instances: [ServiceInstance] { composed.instances }

    /// The instances that take requests: their status is `up`, and they have not failed the checks.
    public var available: [ServiceInstance] { composed.available }

    /// The instances that have vanished along with many others, and are kept for a while; see ``MassLossProtection``.
    public var suspects: [ServiceInstance] { composed.suspects }

    /// The instances that have failed the checks of this discovery; see ``DiscoveryOptions/check``.
    public var unhealthy: [ServiceInstance] { composed.unhealthy }

    /// The entries that are not instances, in the order of their keys.
    public var problems: [RegistryProblem] { Array(allProblems) }

    /// The instance with this ID, which is compared by its bytes; nil if there is none.
    ///
    /// - Parameter id: The ID.
    public subscript(id: ServiceInstance.ID) -> ServiceInstance? { known[Key(id)]?.instance }

    /// The service, the revision and the number of instances in one line.
    public var description: String {
        "\(known.count) instances of \"\(service)\" at revision \(revision), \(availableCount) of them available"
    }

    /// Makes a view of instances that are all healthy, for tests.
    ///
    /// - Parameters:
    ///   - service: The name of the service.
    ///   - instances: The instances; of several with one ID, the last counts.
    ///   - revision: The revision of the view.
    public init(service: String, instances: [ServiceInstance], revision: Revision = 0) {
        var draft = Draft(ServiceView(service: service))
        draft.revision = revision
        for instance in instances {
            let id = Key(instance.id)
            draft.set(id, KnownInstance(id, instance, isSuspect: false, isHealthy: true))
        }
        self.init(draft, logged: 0)
    }

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

extension ServiceView {
    /// The next view, as it is made.
    struct Draft {
        fileprivate let service: String
        var revision: Revision
        var problems: SortedTable<RegistryProblem>
        private(set) var changes: [ChangeLog.Change] = []
        fileprivate private(set) var known: SortedTable<KnownInstance>
        fileprivate private(set) var availableCount: Int
        fileprivate let version: Int

        init(_ view: ServiceView) {
            service = view.service
            revision = view.revision
            problems = view.allProblems
            known = view.known
            availableCount = view.availableCount
            version = view.version
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

    /// The view of a discovery that knows nothing yet.
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
