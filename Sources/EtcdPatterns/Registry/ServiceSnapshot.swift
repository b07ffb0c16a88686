// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The instances of a service as they were at one revision.
public struct ServiceSnapshot: Sendable {
    /// The name of the service.
    public let service: String
    /// The revision at which the store was like this.
    ///
    /// It is lower than that of the snapshot before when the store was restored from a backup.
    public internal(set) var revision: Revision
    /// All instances, whatever they say of themselves, in the order of their ids.
    public internal(set) var instances: [ServiceInstance] = []
    /// Which of them have vanished along with many others, and are kept for a while; see ``MassLossProtection``.
    public internal(set) var suspects: Set<ServiceInstance.ID> = []
    /// Which of them have failed the checks of this discovery; see ``DiscoveryOptions/check``.
    public internal(set) var unhealthy: Set<ServiceInstance.ID> = []
    /// Entries that are no instances, in the order of their keys.
    public internal(set) var problems: [RegistryProblem] = []
    /// How the instances that were there lately have left.
    var departures: [Departure] = []

    struct Departure: Sendable, Hashable {
        let id: ServiceInstance.ID
        let reason: ServiceEvent.Departure
    }

    /// The instances that take requests: those that say that they are up, and have not failed the checks.
    public var available: [ServiceInstance] {
        instances.filter { $0.status == .up && !unhealthy.contains($0.id) }
    }

    /// The instance with this id, or nil if there is none.
    ///
    /// - Parameter id: Tells the instances apart.
    public subscript(id: ServiceInstance.ID) -> ServiceInstance? {
        instances.first { $0.id == id }
    }
}
