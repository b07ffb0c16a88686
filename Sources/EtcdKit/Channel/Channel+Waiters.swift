// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// How long to wait for a connection.
    enum WaitPolicy: Sendable {
        /// As long as the client is open: for watches and leases, which go on for as long as their user wants them.
        case unlimited
        /// Until the endpoints turn out to be misconfigured: waiting does not help then.
        case unlessMisconfigured
        /// Until the last attempt at each endpoint has failed.
        case unlessFailed
    }

    /// Names a waiter for a connection.
    struct Ticket: Hashable {
        fileprivate let number: UInt64
    }

    struct Waiter {
        fileprivate let ticket: Ticket
        /// Where the connection is to lead; nil for anywhere.
        let endpoint: Endpoint?
        let policy: WaitPolicy
        let since = ContinuousClock.now
        let deliver: @EventLoop (Result<Link, EtcdError>) -> Void
    }

    /// All waiters for a connection, in the order in which they came.
    struct Waiters {
        private var waiters: [Waiter] = []
        private var lastNumber: UInt64 = 0

        mutating func add(
            for endpoint: Endpoint?,
            _ policy: WaitPolicy,
            _ deliver: @escaping @EventLoop (Result<Link, EtcdError>) -> Void
        ) -> Ticket {
            lastNumber += 1
            let ticket = Ticket(number: lastNumber)
            waiters.append(Waiter(ticket: ticket, endpoint: endpoint, policy: policy, deliver: deliver))
            return ticket
        }

        mutating func remove(_ ticket: Ticket) { waiters.removeAll { $0.ticket == ticket } }

        /// Removes and returns those for whom `isMeant` is true.
        mutating func take(where isMeant: (Waiter) -> Bool) -> [Waiter] {
            let taken = waiters.filter(isMeant)
            let tickets = Set(taken.map(\.ticket))
            waiters.removeAll { tickets.contains($0.ticket) }
            return taken
        }

        /// Somebody waits for a connection to any endpoint.
        var areForAnywhere: Bool { waiters.contains { $0.endpoint == nil } }

        /// The endpoints to which somebody waits for a connection.
        var endpoints: Set<Endpoint> { Set(waiters.compactMap(\.endpoint)) }
    }

    /// The things that a call or a stream needs: a connection, and the token for it.
    struct Route {
        let link: Link
        let token: AuthToken?
    }

    /// Calls `deliver` with a connection and a token, at once or as soon as they are there, or with an error if the
    /// client is closed or the user is refused.
    ///
    /// - Returns: The place in the queue; nil if `deliver` was called. A waiter that stops waiting passes it to
    ///   ``forget(_:)``, and may be called nevertheless.
    func whenReadyForStream(
        avoiding avoided: Endpoint? = nil,
        _ deliver: @escaping @EventLoop (Result<Route, EtcdError>) -> Void
    ) -> Ticket? {
        whenReady(avoiding: avoided) { [weak self] result in
            switch result {
            case .failure(let error): deliver(.failure(error))
            case .success(let link):
                guard let self else { return }
                tokens.whenKnown(over: self) { token in
                    deliver(token.map { Route(link: link, token: $0) })
                }
            }
        }
    }

    /// A connection; waits for one until the deadline.
    nonisolated func link(
        at endpoint: Endpoint?,
        until deadline: ContinuousClock.Instant,
        _ policy: WaitPolicy
    ) async throws(EtcdError) -> Link {
        do throws(EtcdError) {
            return try await Completion.run(until: deadline) { interruption in
                if interruption == .cancellation { return EtcdError.cancelledTask }
                return endpoint.map(self.unavailability) ?? self.unavailability
            } _: { completion in
                let ticket = self.whenReady(at: endpoint, policy) { completion.complete($0) }
                if let ticket { completion.onEnd = { self.forget(ticket) } }
            }
        } catch {
            if let endpoint { EventLoop.execute { self.leave(endpoint) } }
            throw error
        }
    }
}
