// SPDX-License-Identifier: Apache-2.0

/// What is different about the instances of a service.
public enum ServiceEvent: Sendable, Hashable {
    /// How an instance has left.
    public enum Departure: Sendable, Hashable {
        /// It said before that it was draining: ``Registration/deregister()`` does that.
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

extension ServiceSnapshot {
    /// What leads from `old`, or from nothing, to this: who is gone first, and nobody who is as before.
    func events(since old: ServiceSnapshot?) -> [ServiceEvent] {
        let before = Dictionary((old?.instances ?? []).map { ($0.id, $0) }) { first, _ in first }
        let now = Set(instances.map(\.id))
        let reasons = Dictionary(departures.map { ($0.id, $0.reason) }) { _, last in last }
        var events: [ServiceEvent] = []
        for instance in old?.instances ?? [] where !now.contains(instance.id) {
            let reason = instance.status == .draining ? .deregistered : reasons[instance.id] ?? .expired
            events.append(.removed(instance, reason))
        }
        for instance in instances {
            let previous = before[instance.id]
            if let previous {
                if previous != instance { events.append(.updated(instance, previous: previous)) }
            } else {
                events.append(.added(instance))
            }
            let (wasSuspect, isSuspect) = (old?.suspects.contains(instance.id) ?? false, suspects.contains(instance.id))
            if isSuspect && !(wasSuspect && previous != nil) { events.append(.suspected(instance)) }
            if wasSuspect && !isSuspect && previous != nil { events.append(.confirmed(instance)) }
            let wasHealthy = previous == nil || old?.unhealthy.contains(instance.id) != true
            let isHealthy = !unhealthy.contains(instance.id)
            if wasHealthy != isHealthy { events.append(.healthChanged(instance, isHealthy: isHealthy)) }
        }
        return events
    }
}
