// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// An instance that a ``LoadBalancer`` has chosen for a request, which counts as in flight until ``finish(_:)``.
///
/// One that is dropped is finished too, without an outcome.
public final class PickedInstance: Sendable {
    /// How a request has ended, as far as its instance is to be blamed or praised for it.
    public enum Outcome: Sendable, Hashable {
        /// The instance has answered as it should.
        case success
        /// It has not.
        case failure
    }

    /// Where to send the request.
    public var instance: ServiceInstance { ticket.instance }

    private let ticket: InstancePool.Ticket
    private let balancer: LoadBalancer
    private let isFinished = Atomic(false)

    init(_ ticket: InstancePool.Ticket, of balancer: LoadBalancer) {
        self.ticket = ticket
        self.balancer = balancer
    }

    deinit { end(nil) }

    /// Tells the balancer that the request is over; only the first call counts.
    ///
    /// - Parameter outcome: How it has ended.
    public func finish(_ outcome: Outcome = .success) { end(outcome) }

    private func end(_ outcome: Outcome?) {
        guard !isFinished.exchange(true, ordering: .relaxed) else { return }
        balancer.finish(ticket, outcome)
    }
}
