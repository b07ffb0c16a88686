// SPDX-License-Identifier: Apache-2.0

public import Foundation
import Synchronization

/// An instance that a ``LoadBalancer`` has chosen for a request, which counts as in flight until ``finish(_:)``.
///
/// If it is dropped, the request is finished without an outcome.
public final class PickedInstance: Sendable {
    /// How a request has ended.
    public enum Outcome: Sendable, Hashable {
        /// The instance has answered correctly.
        case success
        /// The instance has failed.
        case failure
    }

    /// The instance for the request.
    public var instance: ServiceInstance { ticket.instance }

    private let ticket: InstancePool.Ticket
    private let balancer: LoadBalancer
    private let isFinished = Atomic(false)

    init(_ ticket: InstancePool.Ticket, of balancer: LoadBalancer) {
        self.ticket = ticket
        self.balancer = balancer
    }

    deinit { end(nil) }

    /// Finishes the request; only the first call counts.
    ///
    /// - Parameter outcome: How the request has ended.
    public func finish(_ outcome: Outcome = .success) { end(outcome) }

    private func end(_ outcome: Outcome?) {
        guard !isFinished.exchange(true, ordering: .relaxed) else { return }
        balancer.finish(ticket, outcome)
    }
}

/// A service has no instance that takes requests.
public struct NoInstanceAvailable: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// The name of the service.
    public let service: String
    /// The number of instances that take no new requests.
    public let draining: Int
    /// The number of instances that cannot serve, by their own status or by active checks.
    public let down: Int
    /// Whether this may be out of date, as while etcd cannot be reached; see ``LoadBalancer/isStale``.
    public let isStale: Bool

    /// Makes an error, for tests; the parameters are its properties.
    public init(service: String, draining: Int = 0, down: Int = 0, isStale: Bool = false) {
        self.service = service
        self.draining = draining
        self.down = down
        self.isStale = isStale
    }

    /// The service and the number of its instances in one line.
    public var description: String {
        let known = draining + down == 0 ? "there is none" : "\(draining) draining, \(down) down"
        let doubt = isStale ? ", which may be out of date" : ""
        return "no instance of \"\(service)\" takes requests: \(known)\(doubt)"
    }

    /// The description.
    public var errorDescription: String? { description }
}
