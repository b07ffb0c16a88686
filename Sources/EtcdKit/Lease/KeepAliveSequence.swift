// SPDX-License-Identifier: Apache-2.0

/// How a lease that is kept alive stands, time after time; see ``Leases/keepAlive(_:)-(Lease.ID)``.
public struct KeepAliveSequence: AsyncSequence, Sendable {
    /// The state of the lease after a renewal, or when one is missing.
    public typealias Element = LeaseState
    /// What an iteration throws.
    public typealias Failure = EtcdError

    /// The lease to keep alive: behind one reference, for the sake of the many tasks that hold a sequence.
    fileprivate final class Subject: Sendable {
        let core: ClientCore
        let id: Lease.ID
        let lease: Lease?

        init(_ core: ClientCore, _ id: Lease.ID, _ lease: Lease?) {
            self.core = core
            self.id = id
            self.lease = lease
        }
    }

    private let subject: Subject

    init(_ client: EtcdClient, _ id: Lease.ID, granted lease: Lease? = nil) {
        subject = Subject(client.core, id, lease)
    }

    /// Starts an iteration; the lease is kept alive from its first `next()` on.
    public func makeAsyncIterator() -> Iterator { Iterator(Handle(subject)) }

    /// An iteration that keeps the lease alive for as long as it exists.
    public struct Iterator: AsyncIteratorProtocol {
        private let handle: Handle

        fileprivate init(_ handle: Handle) { self.handle = handle }

        /// How often the renewals had to go on over another stream, as of the newest state.
        ///
        /// Between two streams the store may have been replaced by an older one, of which a renewal says nothing.
        package var interruptions: Int { handle.subscription.interruptions }

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
            // Thousands of tasks may wait here, so nothing but this is in the frame that they hold.
            handle.begin()
            await handle.subscription.wait()
            return try take()
        }

        @inline(never)
        private func take() throws(EtcdError) -> LeaseState {
            switch try handle.subscription.take() {
            case .renewed(let deadline, _, _): .active(until: deadline.instant)
            case .atRisk(let deadline, let cause): .atRisk(until: deadline.instant, cause)
            }
        }
    }

    /// Ends the subscription when the last copy of the iterator is gone.
    fileprivate final class Handle: Sendable {
        private let subject: Subject
        let subscription: LeaseSubscription

        fileprivate init(_ subject: Subject) {
            self.subject = subject
            subscription = LeaseSubscription(subject.id)
        }

        @inline(never)
        func begin() {
            guard subscription.begin() else { return }
            EventLoop.execute { [self] in subject.core.leaseKeeper.add(subscription, granted: subject.lease) }
        }

        deinit {
            EventLoop.execute { [subject, subscription] in subject.core.leaseKeeper.cancel(subscription) }
        }
    }
}

@available(*, unavailable)
extension KeepAliveSequence.Iterator: Sendable {}
