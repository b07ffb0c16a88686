// SPDX-License-Identifier: Apache-2.0

/// The states of a lease that is kept alive; see ``Leases/keepAlive(_:)-(Lease.ID)``.
public struct KeepAliveSequence: AsyncSequence, Sendable {
    fileprivate let core: ClientCore
    fileprivate let id: Lease.ID
    /// The lease as it was granted, if that is known.
    fileprivate let lease: Lease?

    init(_ client: EtcdClient, _ id: Lease.ID, granted lease: Lease? = nil) {
        core = client.core
        self.id = id
        self.lease = lease
    }

    /// Starts an iteration; the lease is kept alive from its first `next()` on.
    public func makeAsyncIterator() -> Iterator { Iterator(Handle(self)) }

    /// An iteration that keeps the lease alive for as long as it exists.
    public struct Iterator: AsyncIteratorProtocol {
        private let handle: Handle

        fileprivate init(_ handle: Handle) { self.handle = handle }

        /// How often the renewals had to move to another stream, as of the newest state.
        ///
        /// Between two streams, the store may have been replaced by an older one, which a renewal does not show.
        package var interruptions: Int { handle.subscription.interruptions }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> LeaseState? { try await next(isolation: nil) }

        /// The newest state that was not returned before.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: A state, never nil.
        /// - Throws: ``EtcdError``, among its codes `leaseLost`, `leaseNotFound`, `permissionDenied` and
        ///   `cancelled`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> LeaseState? {
            // Thousands of tasks may wait here, so nothing but this is in the frame that they hold.
            handle.begin()
            while true {
                if let state = try take() { return state }
                await handle.subscription.change.wait { [handle] in handle.subscription.isReady }
            }
        }

        @inline(never)
        private func take() throws(EtcdError) -> LeaseState? {
            switch try handle.subscription.take() {
            case .renewed(let deadline, _, _): .active(until: deadline.instant)
            case .atRisk(let deadline, let cause): .atRisk(until: deadline.instant, cause)
            case nil: nil
            }
        }
    }

    /// Ends the subscription when the last copy of the iterator is gone.
    fileprivate final class Handle: Sendable {
        private let sequence: KeepAliveSequence
        let subscription: LeaseSubscription

        fileprivate init(_ sequence: KeepAliveSequence) {
            self.sequence = sequence
            subscription = LeaseSubscription(sequence.id)
        }

        @inline(never)
        func begin() {
            guard subscription.begin() else { return }
            EventLoop.execute { [sequence, subscription] in
                sequence.core.leaseKeeper.add(subscription, granted: sequence.lease)
            }
        }

        deinit {
            EventLoop.execute { [sequence, subscription] in sequence.core.leaseKeeper.cancel(subscription) }
        }
    }
}
