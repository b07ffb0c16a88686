// SPDX-License-Identifier: Apache-2.0

/// The token of a client: fetched when it is first needed, kept, and fetched once for all who need a new one.
@EventLoop
final class TokenStore {
    /// What goes with a call: a token, or nothing where none is needed.
    typealias Answer = Result<AuthToken?, EtcdError>

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
    private var waiting: [@EventLoop (Answer) -> Void] = []
    /// When the token was granted; nil if none was asked for yet.
    private(set) var granted: ContinuousClock.Instant?
    private nonisolated let published: Lock<ClientContext.Published>
    /// A rejected token can be replaced.
    nonisolated let canRenew: Bool

    nonisolated init(_ credentials: Credentials?, _ published: Lock<ClientContext.Published>) {
        self.credentials = credentials
        self.published = published
        let known: AuthToken??
        switch credentials?.kind {
        case .user: known = nil
        case .token(let token): known = .some(token)
        case nil: known = .some(nil)
        }
        canRenew = known == nil
        state = known.map(State.present) ?? .missing
        published.withLock { $0.token = known }
    }

    /// The token, or that none is needed, if that is known; nil if it is to be waited for.
    nonisolated var probableToken: AuthToken?? { published.withLock { $0.token } }

    /// Calls `deliver` with the token, at once or when it is there.
    func whenKnown(over channel: Channel, _ deliver: @escaping @EventLoop (Answer) -> Void) {
        switch state {
        case .present(let token):
            deliver(.success(token))
        case .closed:
            deliver(.failure(EtcdError(.clientClosed, "the client is closed")))
        case .missing:
            waiting.append(deliver)
            fetch(over: channel)
        case .fetching:
            waiting.append(deliver)
        }
    }

    /// Forgets the token, if it still is the one that was rejected.
    func reject(_ token: AuthToken?) {
        guard canRenew, case .present(token) = state else { return }
        state = .missing
        published.withLock { $0.token = nil }
    }

    /// Uses the new password of a user, if that is who the client is.
    func passwordChanged(to password: String, of user: String) {
        guard case .user(user, _) = credentials?.kind else { return }
        credentials = .user(user, password: password)
    }

    /// The token, waited for if need be.
    func token(until deadline: ContinuousClock.Instant, over channel: Channel) async -> Answer {
        let completion = Completion<Answer>()
        let timer = EventLoop.schedule(at: deadline) {
            completion.complete(.failure(EtcdError(.deadlineExceeded, "authentication took too long")))
        }
        whenKnown(over: channel) { completion.complete($0) }
        let answer = await completion.wait {
            completion.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
        EventLoop.cancel(timer)
        return answer
    }

    func close() {
        if case .fetching(let task) = state { task.cancel() }
        state = .closed
        serve(.failure(EtcdError(.clientClosed, "the client was closed")))
    }

    private func fetch(over channel: Channel) {
        guard let credentials, case .user(let name, let password) = credentials.kind else { return }
        // The store owns the task, which no caller's cancellation may end: others wait for it too.
        state = .fetching(
            Task { [weak self, weak channel] in
                guard let answer = await channel?.authenticate(name, password) else { return }
                self?.fetched(answer, with: credentials, over: channel)
            }
        )
    }

    private func fetched(_ answer: Answer, with used: Credentials, over channel: Channel?) {
        guard case .fetching = state else { return }
        switch answer {
        case .success(let token):
            state = .present(token)
            granted = .now
        case .failure:
            // The password was changed meanwhile.
            if let channel, used != credentials { return fetch(over: channel) }
            state = .missing
        }
        serve(answer)
    }

    private func serve(_ answer: Answer) {
        let waiting = waiting
        self.waiting = []
        for deliver in waiting { deliver(answer) }
    }
}
