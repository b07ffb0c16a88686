// SPDX-License-Identifier: Apache-2.0

/// What is different about the instances of a service.
public enum ServiceEvent: Sendable, Hashable {
    /// How an instance has left.
    public enum Departure: Sendable, Hashable {
        /// It said before that it was draining: ``Registration/deregister(timeout:)`` does that.
        case deregistered
        /// It left without a word: its lease has ended, or others have deleted or spoiled its entry.
        case expired
    }

    /// The instance is new.
    case added(ServiceInstance)
    /// The instance says something else of itself.
    case updated(ServiceInstance, previous: ServiceInstance)
    /// The instance is gone.
    case removed(ServiceInstance, Departure)
    /// The instance has vanished along with many others, and is kept for a while; see ``MassLossProtection``.
    case suspected(ServiceInstance)
    /// The instance that was suspected has registered again.
    case confirmed(ServiceInstance)
    /// The checks of this discovery find the instance healthy again, or not any more.
    case healthChanged(ServiceInstance, isHealthy: Bool)

    /// The instance, as it is now or was at last.
    public var instance: ServiceInstance {
        switch self {
        case .added(let instance), .updated(let instance, _), .removed(let instance, _), .suspected(let instance),
            .confirmed(let instance), .healthChanged(let instance, _):
            instance
        }
    }
}
