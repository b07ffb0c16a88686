// SPDX-License-Identifier: Apache-2.0

/// The leaders of an election, one after the other; see ``ElectionService/observe(_:)``.
public struct LeaderSequence: AsyncSequence, Sendable {
    /// The entry of a leader, with what it says of itself as the value.
    public typealias Element = KeyValue
    /// What an iteration throws.
    public typealias Failure = EtcdError

    let service: ElectionService
    let election: Key

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

    /// An iteration over the leaders, which ends at the server when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let sequence: LeaderSequence
        private var handle: Handle?

        fileprivate init(sequence: LeaderSequence) { self.sequence = sequence }

        /// The next leader, or the present one with something new to say.
        ///
        /// - Returns: The leader's entry, never nil.
        /// - Throws: ``EtcdError``, among its codes `unavailable`, `permissionDenied`, `cancelled` and `clientClosed`.
        public mutating func next() async throws(EtcdError) -> KeyValue? {
            try await next(isolation: nil)
        }

        /// The next leader, or the present one with something new to say.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: The leader's entry, never nil.
        /// - Throws: ``EtcdError``, among its codes `unavailable`, `permissionDenied`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> KeyValue? {
            let handle: Handle
            if let present = self.handle {
                handle = present
            } else {
                // A call says why it is refused, and renews the token; etcd ends an observation without a reason.
                _ = try await sequence.service.leader(of: sequence.election)
                let channel = sequence.service.client.core.channel
                handle = Handle(client: sequence.service.client, LeaderObserver(sequence.election, channel))
                self.handle = handle
            }
            return try await handle.observer.next().get()
        }
    }

    /// Ends the observation when the last copy of the iterator is gone.
    private final class Handle: Sendable {
        private let client: EtcdClient
        let observer: LeaderObserver

        init(client: EtcdClient, _ observer: LeaderObserver) {
            self.client = client
            self.observer = observer
        }

        deinit {
            EventLoop.execute { [observer] in observer.stop() }
        }
    }
}

@available(*, unavailable)
extension LeaderSequence.Iterator: Sendable {}

/// The stream of an observation, and what has come of it that nobody has taken yet.
@EventLoop
final class LeaderObserver {
    private enum State {
        case idle
        case waiting(Channel.Ticket?)
        case open(GRPCStream<Wire.LeaderRequest, Wire.LeaderResponse>)
        case ended(EtcdError)
    }

    private nonisolated let election: Key
    private nonisolated let channel: Channel
    private var state = State.idle
    /// At most a window of them, which opens again as they are taken.
    private var arrived: [(entry: KeyValue, byteCount: Int)] = []
    private var consumer: Completion<Result<KeyValue, EtcdError>>?

    nonisolated init(_ election: Key, _ channel: Channel) {
        self.election = election
        self.channel = channel
    }

    /// Waits for the next leader; one task may.
    nonisolated func next() async -> Result<KeyValue, EtcdError> {
        let completion = Completion<Result<KeyValue, EtcdError>>()
        return await completion.wait {
            self.consumer = completion
            self.start()
            self.serve()
        } onCancel: {
            completion.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
    }

    func stop() {
        switch state {
        case .waiting(let ticket?): channel.forget(ticket)
        case .open(let stream): stream.cancel()
        default: break
        }
        state = .ended(EtcdError(.cancelled, "the observation was ended"))
    }

    private func start() {
        guard case .idle = state else { return }
        state = .waiting(nil)
        let ticket = channel.whenReadyForStream { [weak self] in self?.open($0) }
        if case .waiting = state { state = .waiting(ticket) }
    }

    private func open(_ berth: Result<Channel.Berth, EtcdError>) {
        guard case .waiting = state else { return }
        do throws(EtcdError) {
            let berth = try berth.get()
            let endpoint = berth.link.endpoint
            do throws(ConnectionError) {
                let stream = try GRPCStream(
                    Wire.electionObserve,
                    metadata: channel.context.metadata(for: endpoint, requiresLeader: true, token: berth.token),
                    maximumMessageSize: channel.configuration.maximumMessageSize,
                    window: .manual,
                    on: berth.link.connection,
                    onEvent: { [weak self] in self?.received($0, from: endpoint) }
                )
                state = .open(stream)
                stream.send(Wire.LeaderRequest(name: election.bytes), isLast: true)
            } catch {
                throw EtcdError(error, at: endpoint)
            }
        } catch {
            end(error)
        }
    }

    private func received(
        _ event: GRPCStream<Wire.LeaderRequest, Wire.LeaderResponse>.Event,
        from endpoint: Endpoint
    ) {
        switch event {
        case .message(let response, let byteCount):
            arrived.append((response.entry, byteCount))
            serve()
        case .ended(let failure?):
            end(EtcdError(failure, isRead: true, endpoint: endpoint))
        case .ended(nil):
            end(EtcdError(.unavailable, "the server ended the observation [\(endpoint)]"))
        }
    }

    private func end(_ error: EtcdError) {
        if case .ended = state { return }
        state = .ended(error)
        serve()
    }

    private func serve() {
        guard let consumer, !consumer.isComplete else { return }
        if !arrived.isEmpty {
            let next = arrived.removeFirst()
            if case .open(let stream) = state { stream.consume(next.byteCount) }
            consumer.complete(.success(next.entry))
        } else if case .ended(let error) = state {
            consumer.complete(.failure(error))
        }
    }
}
