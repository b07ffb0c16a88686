// SPDX-License-Identifier: Apache-2.0

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
