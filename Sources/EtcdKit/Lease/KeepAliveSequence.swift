// SPDX-License-Identifier: Apache-2.0

/// The states of a lease that is kept alive; see ``Leases/keepAlive(_:)-(Lease.ID)``.
public struct KeepAliveSequence: AsyncSequence, Sendable {
    let core: ClientCore
    let id: Lease.ID
    /// The lease as it was granted, if that is known.
    var granted: Lease?

    /// Starts an iteration; the lease is kept alive from its first `next()` on.
    public func makeAsyncIterator() -> Iterator { Iterator(handle: Handle(self)) }

    /// An iteration that keeps the lease alive for as long as it exists.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let handle: Handle

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
                sequence.core.leaseKeeper.add(subscription, granted: sequence.granted)
            }
        }

        deinit {
            EventLoop.execute { [sequence, subscription] in sequence.core.leaseKeeper.cancel(subscription) }
        }
    }
}

/// How a lease that is kept alive stands.
///
/// Its loss is no state: it ends the iteration with an error that says why. A task that must not act without the lease
/// compares ``deadline`` with the clock before it acts, whatever the newest state was.
public enum LeaseState: Sendable, CustomStringConvertible {
    /// The lease certainly lives until the instant, and its renewals are answered.
    case active(until: ContinuousClock.Instant)
    /// For two thirds of the time to live no renewal was answered: the lease is lost at the instant unless one is.
    ///
    /// The error says what stands in the way, as far as that is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)

    /// Until when the lease certainly lives: counted from when its last answered renewal was sent.
    public var deadline: ContinuousClock.Instant {
        switch self {
        case .active(let deadline), .atRisk(let deadline, _): deadline
        }
    }

    /// Renewals are answered.
    public var isActive: Bool {
        if case .active = self { true } else { false }
    }

    /// The state, and how long the lease certainly lives from now on.
    public var description: String {
        let remaining = ContinuousClock.now.duration(to: deadline)
        return switch self {
        case .active: "active for \(remaining)"
        case .atRisk(_, let error): "at risk, lost in \(remaining)\(error.map { " (\($0))" } ?? "")"
        }
    }
}
