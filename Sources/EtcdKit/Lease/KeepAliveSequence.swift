// SPDX-License-Identifier: Apache-2.0

/// How a lease that is kept alive stands, time after time; see ``Leases/keepAlive(_:)-(Lease.ID)``.
public struct KeepAliveSequence: AsyncSequence, Sendable {
    /// The state of the lease after a renewal, or when one is missing.
    public typealias Element = LeaseState
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
        /// How often the renewals had to go on over another stream, as of the newest state.
        ///
        /// Between two streams the store may have been replaced by an older one, of which a renewal says nothing.
        package private(set) var interruptions = 0

        fileprivate init(sequence: KeepAliveSequence) { self.sequence = sequence }

        /// The newest state that was not returned before.
        ///
        /// - Returns: A state, never nil.
        /// - Throws: ``EtcdError``, among its codes `leaseLost`, `leaseNotFound`, `permissionDenied` and
        ///   `cancelled`.
        public mutating func next() async throws(EtcdError) -> LeaseState? {
            try await next(isolation: nil)
        }

        /// The newest state that was not returned before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A state, never nil.
        /// - Throws: ``EtcdError``, among its codes `leaseLost`, `leaseNotFound`, `permissionDenied` and
        ///   `cancelled`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> LeaseState? {
            let handle: Handle
            if let present = self.handle {
                handle = present
            } else {
                let keeper = sequence.client.core.leaseKeeper
                let subscription = await keeper.subscribe(to: sequence.id, granted: sequence.lease)
                handle = Handle(client: sequence.client, subscription: subscription)
                self.handle = handle
            }
            switch try await handle.subscription.next().get() {
            case .renewed(let renewal, let interruptions):
                self.interruptions = interruptions
                return .active(until: renewal.deadline)
            case .atRisk(let deadline, let cause): return .atRisk(until: deadline, cause)
            }
        }
    }

    /// Ends the subscription when the last copy of the iterator is gone.
    private final class Handle: Sendable {
        private let client: EtcdClient
        let subscription: LeaseSubscription

        init(client: EtcdClient, subscription: LeaseSubscription) {
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
