// SPDX-License-Identifier: Apache-2.0

/// The token of a client: fetched when it is first needed, kept, and fetched once for all calls that need a new one.
@EventLoop
final class TokenStore {
    /// The token of a call, or nil if it needs none.
    typealias Answer = Result<AuthToken?, EtcdError>

    /// A token, or nil where the cluster has no authentication.
    struct Grant: Sendable {
        let token: AuthToken?
        /// How long the token is valid, if known.
        var validFor: Duration?
    }

    private enum State {
        case missing
        case fetching(Task<Void, Never>)
        /// Nil where the cluster has no authentication, or the client no credentials.
        case present(AuthToken?)
        case closed
    }

    private var credentials: Credentials?
    private var state: State {
        didSet { if case .present(let token) = state { published.withLock { $0.token = .some(token) } } }
    }
    /// All that wait for the token, by numbers.
    private(set) var waiting: [Int: @EventLoop (Answer) -> Void] = [:]
    private var lastWaiter = 0
    private var grantCount = 0
    /// Forgets the token before it expires.
    private var expiry: EventLoop.Timer?
    /// When the token was granted; nil if none was asked for yet.
    private(set) var granted: ContinuousClock.Instant?
    private nonisolated let published: Lock<Channel.Published>
    /// A rejected token can be replaced.
    nonisolated let canRenew: Bool

    nonisolated init(_ credentials: Credentials?, _ published: Lock<Channel.Published>) {
        self.credentials = credentials
        self.published = published
        let known: AuthToken??
        switch credentials?.kind {
        case .user, .provider: known = nil
        case .token(let token, _): known = .some(token)
        case nil: known = .some(nil)
        }
        canRenew = known == nil
        state = known.map(State.present) ?? .missing
        published.withLock { $0.token = known }
    }

    /// The token: `.some(nil)` if none is needed, nil if that is not known yet.
    nonisolated var probableToken: AuthToken?? { published.withLock { $0.token } }

    /// Calls `deliver` with the token, at once or when it arrives.
    ///
    /// - Returns: The number of the wait.
    @discardableResult
    func whenKnown(over channel: Channel, _ deliver: @escaping @EventLoop (Answer) -> Void) -> Int {
        lastWaiter += 1
        switch state {
        case .present(let token):
            deliver(.success(token))
        case .closed:
            deliver(.failure(EtcdError(.clientClosed, "the client is closed")))
        case .missing:
            waiting[lastWaiter] = deliver
            fetch(over: channel)
        case .fetching:
            waiting[lastWaiter] = deliver
        }
        return lastWaiter
    }

    /// Forgets the token, if it still is the one that was rejected.
    func reject(_ token: AuthToken?) {
        guard canRenew, case .present(token) = state else { return }
        forget()
    }

    /// The next call gets another token.
    private func forget() {
        if let expiry { EventLoop.cancel(expiry) }
        expiry = nil
        state = .missing
        published.withLock { $0.token = nil }
    }

    /// Uses the new password of a user, if the client acts as this one.
    func passwordChanged(to password: String, of user: String) {
        guard case .user(user, _) = credentials?.kind else { return }
        credentials = .user(user, password: password)
    }

    /// The token; waits for it if necessary.
    nonisolated func token(
        until deadline: ContinuousClock.Instant,
        over channel: Channel
    ) async throws(EtcdError) -> AuthToken? {
        try await Completion.run(until: deadline) { interruption in
            interruption == .cancellation
                ? .cancelledTask : EtcdError(.deadlineExceeded, "authentication was not done within the call's time")
        } _: { completion in
            let waiter = self.whenKnown(over: channel) { completion.complete($0) }
            completion.onEnd = { self.waiting[waiter] = nil }
        }
    }

    func close() {
        if case .fetching(let task) = state { task.cancel() }
        if let expiry { EventLoop.cancel(expiry) }
        state = .closed
        serve(.failure(EtcdError(.clientClosed, "the client was closed")))
    }

    private func fetch(over channel: Channel) {
        guard let credentials else { return }
        let limit = ContinuousClock.now + channel.configuration.callTimeout
        // The store owns the task. A caller that is cancelled must not end it: others wait for it too.
        state = .fetching(
            Task { [weak self, weak channel] in
                guard let outcome = await channel?.authenticate(credentials) else { return }
                self?.fetched(outcome, with: credentials, until: limit, over: channel)
            }
        )
    }

    private func fetched(
        _ outcome: Result<Grant, EtcdError>,
        with used: Credentials,
        until limit: ContinuousClock.Instant,
        over channel: Channel?
    ) {
        guard case .fetching = state else { return }
        switch outcome {
        case .success(let grant):
            grantCount += 1
            let token = grant.token.map { AuthToken($0.text, grant: grantCount) }
            state = .present(token)
            granted = .now
            expiry = grant.validFor.map { duration in
                EventLoop.schedule(at: .after(duration.bounded * 0.9)) { [weak self] in self?.forget() }
            }
            serve(.success(token))
        case .failure(let error):
            // The password was changed meanwhile, or those that still wait have more time than one attempt.
            let isOverdue = error.code.isTransient && limit <= .now && !waiting.isEmpty
            if let channel, used != credentials || isOverdue { return fetch(over: channel) }
            state = .missing
            serve(.failure(error))
        }
    }

    private func serve(_ answer: Answer) {
        let waiting = waiting
        self.waiting = [:]
        for deliver in waiting.values { deliver(answer) }
    }
}
