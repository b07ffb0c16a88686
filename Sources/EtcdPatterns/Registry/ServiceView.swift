// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they were at one revision.
///
/// Taking a view costs nothing. Its lists are made when one of them is first used, once for all copies of the view.
public struct ServiceView: Sendable, CustomStringConvertible {
    /// The name of the service.
    public let service: String
    /// The revision of the store; 0 before etcd was reached.
    ///
    /// It is lower than that of the previous view if the store was restored from a backup.
    public internal(set) var revision: Revision
    private(set) var known = SortedTable<KnownInstance>()
    /// The number of instances in ``available``.
    private(set) var availableCount = 0
    /// Counts the views of a discovery; 0 before anything is known.
    private(set) var version = 0
    /// How many changes of instances were logged until then.
    private(set) var logged = 0
    var allProblems = SortedTable<RegistryProblem>()
    private var lists = Lock<Lists?>(nil)

    private struct Lists {
        let instances, available, suspects, unhealthy: [ServiceInstance]
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
        (self.service, self.revision) = (service, revision)
        for instance in instances {
            let id = Key(instance.id)
            set(id, KnownInstance(id, instance, isSuspect: false, isHealthy: true))
        }
    }

    private var composed: Lists {
        lists.withLock { lists in
            if let lists { return lists }
            func list(_ isListed: (KnownInstance) -> Bool) -> [ServiceInstance] {
                known.lazy.filter(isListed).map(\.instance)
            }
            let new = Lists(
                instances: list { _ in true },
                available: list(\.isAvailable),
                suspects: list(\.isSuspect),
                unhealthy: list { !$0.isHealthy }
            )
            lists = new
            return new
        }
    }

    // MARK: The discovery's side

    /// The view of a discovery that knows nothing yet.
    init(service: String) { (self.service, revision) = (service, 0) }

    /// Sets the state of an instance; nil if there is none.
    mutating func set(_ id: Key, _ instance: KnownInstance?) {
        let old = instance.map { known.put($0) } ?? known.remove(id)
        availableCount += (instance?.isAvailable == true ? 1 : 0) - (old?.isAvailable == true ? 1 : 0)
    }

    /// Makes this a new view after changes, with this number of changes of instances in the log.
    mutating func finish(logged: Int) {
        self.logged = logged
        version += 1
        lists = Lock(nil)
    }
}

/// An instance, and its health in a discovery.
final class KnownInstance: Keyed {
    /// The bytes of the ID, since Swift treats some texts with different bytes as equal.
    let key: Key
    let instance: ServiceInstance
    let isSuspect: Bool
    let isHealthy: Bool

    init(_ key: Key, _ instance: ServiceInstance, isSuspect: Bool, isHealthy: Bool) {
        self.key = key
        self.instance = instance
        self.isSuspect = isSuspect
        self.isHealthy = isHealthy
    }

    /// Whether its status is `up` and it has not failed the checks.
    var isAvailable: Bool { instance.status == .up && isHealthy }

    func isSame(as other: KnownInstance?) -> Bool {
        guard let other else { return false }
        return self === other
            || instance == other.instance && isSuspect == other.isSuspect && isHealthy == other.isHealthy
    }
}
