// SPDX-License-Identifier: Apache-2.0

/// A difference between the instances of a service at two times; see ``ServiceDiscovery/events``.
///
/// More kinds may be added, so a `switch` over events needs a `default`.
public enum ServiceEvent: Sendable, Hashable, CustomStringConvertible {
    /// How an instance has left.
    ///
    /// More may be added, so a `switch` over departures needs a `default`.
    public struct Departure: Sendable, Hashable, CustomStringConvertible {
        /// The name of the departure, as in the source.
        public let description: String

        /// The instance was draining before: ``Registration/deregister(timeout:)`` does that.
        public static let deregistered = Self(description: "deregistered")
        /// The instance left without deregistering: its lease has ended, or its entry was deleted or damaged.
        public static let expired = Self(description: "expired")
    }

    /// The instance is new.
    case added(ServiceInstance)
    /// The instance has changed its description.
    case updated(ServiceInstance, previous: ServiceInstance)
    /// The instance is gone.
    case removed(ServiceInstance, Departure)
    /// The instance has vanished along with many others, and is kept for a while; see ``MassLossProtection``.
    case suspected(ServiceInstance)
    /// The suspected instance has registered again.
    case confirmed(ServiceInstance)
    /// The checks of this discovery find the instance healthy again, or no longer healthy.
    case healthChanged(ServiceInstance, isHealthy: Bool)

    /// The instance as it is now, or as it was before it left.
    public var instance: ServiceInstance {
        switch self {
        case .added(let instance), .updated(let instance, _), .removed(let instance, _), .suspected(let instance),
            .confirmed(let instance), .healthChanged(let instance, _):
            instance
        }
    }

    /// The kind of the event and the instance in one line.
    public var description: String {
        switch self {
        case .added(let instance): "added \(instance)"
        case .updated(let instance, _): "updated \(instance)"
        case .removed(let instance, let departure): "removed \(instance): \(departure)"
        case .suspected(let instance): "suspected \(instance)"
        case .confirmed(let instance): "confirmed \(instance)"
        case .healthChanged(let instance, let isHealthy): "\(isHealthy ? "healthy" : "unhealthy") \(instance)"
        }
    }
}
