// SPDX-License-Identifier: Apache-2.0

/// The renewals of a lease that is kept alive; see ``Leases/keepAlive(_:)-(Lease.ID)``.
public struct KeepAliveSequence: AsyncSequence, Sendable {
    /// A renewal.
    public typealias Element = LeaseRenewal
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let client: EtcdClient
    let id: Lease.ID
    let lease: Lease?

    /// Starts an iteration; the lease is kept alive from its first `next()` on.
    public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

    /// An iteration that keeps the lease alive for as long as it exists.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let sequence: KeepAliveSequence
        private var handle: Handle?

        fileprivate init(sequence: KeepAliveSequence) { self.sequence = sequence }

        /// The newest renewal that was not returned before.
        ///
        /// - Returns: A renewal, never nil.
        /// - Throws: ``EtcdError``, among its codes `leaseLost`, `leaseNotFound` and `cancelled`.
        public mutating func next() async throws(EtcdError) -> LeaseRenewal? {
            try await next(isolation: nil)
        }

        /// The newest renewal that was not returned before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A renewal, never nil.
        /// - Throws: ``EtcdError``, among its codes `leaseLost`, `leaseNotFound` and `cancelled`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> LeaseRenewal? {
            let handle: Handle
            if let present = self.handle {
                handle = present
            } else {
                let keeper = sequence.client.core.leaseKeeper
                let subscription = await keeper.subscribe(to: sequence.id, granted: sequence.lease)
                handle = Handle(client: sequence.client, subscription: subscription)
                self.handle = handle
            }
            return try await handle.subscription.next().get()
        }
    }

    /// Ends the subscription when the last copy of the iterator is gone.
    private final class Handle: Sendable {
        private let client: EtcdClient
        let subscription: LeaseKeeper.Subscription

        init(client: EtcdClient, subscription: LeaseKeeper.Subscription) {
            self.client = client
            self.subscription = subscription
        }

        deinit {
            EventLoop.execute { [client, subscription] in client.core.leaseKeeper.cancel(subscription) }
        }
    }
}

@available(*, unavailable)
extension KeepAliveSequence.Iterator: Sendable {}
