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

    /// A wait for a connection.
    final class Waiter: Sendable {
        /// Where the connection is to lead; nil for anywhere.
        let endpoint: Endpoint?
        let policy: WaitPolicy
        let since = ContinuousClock.now
        let deliver: @EventLoop (Result<Link, EtcdError>) -> Void

        init(
            _ endpoint: Endpoint?,
            _ policy: WaitPolicy,
            _ deliver: @escaping @EventLoop (Result<Link, EtcdError>) -> Void
        ) {
            self.endpoint = endpoint
            self.policy = policy
            self.deliver = deliver
        }
    }

    /// The things that a call or a stream needs: a connection, and the token for it.
    struct Route {
        let link: Link
        let token: AuthToken?
    }

    /// Calls `deliver` with a connection and a token, at once or as soon as they are there, or with an error if the
    /// client is closed or the user is refused.
    ///
    /// - Returns: The wait, to be ended with ``forget(_:)``, after which `deliver` may be called nevertheless; nil if there
    ///   is none.
    func whenReadyForStream(
        avoiding avoided: Endpoint? = nil,
        _ deliver: @escaping @EventLoop (Result<Route, EtcdError>) -> Void
    ) -> Waiter? {
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
                interruption == .cancellation ? .cancelledTask : self.unavailability(of: endpoint)
            } _: { completion in
                let waiter = self.whenReady(at: endpoint, policy) { completion.complete($0) }
                if let waiter { completion.onEnd = { self.forget(waiter) } }
            }
        } catch {
            if let endpoint { EventLoop.execute { self.leave(endpoint) } }
            throw error
        }
    }
}
