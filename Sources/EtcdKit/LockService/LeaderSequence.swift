// SPDX-License-Identifier: Apache-2.0

/// The leaders of an election, one after the other; see ``ElectionService/observe(_:)``.
public struct LeaderSequence: AsyncSequence, Sendable {
    let service: ElectionService
    let election: Key

    /// Starts an iteration; the server is asked with its first `next()`.
    public func makeAsyncIterator() -> Iterator { Iterator(sequence: self) }

    /// An iteration over the leaders, which ends at the server when the iterator is dropped.
    public struct Iterator: AsyncIteratorProtocol {
        fileprivate let sequence: LeaderSequence
        private var stream: ResponseStream<Wire.LeaderRequest, Wire.LeaderResponse>?

        fileprivate init(sequence: LeaderSequence) { self.sequence = sequence }

        /// The next element; see `next(isolation:)`.
        public mutating func next() async throws(EtcdError) -> KeyValue? { try await next(isolation: nil) }

        /// The next leader, or the present one with a new value.
        ///
        /// - Parameter actor: The caller's actor.
        /// - Returns: The leader's entry, never nil.
        /// - Throws: ``EtcdError``, among its codes `unavailable`, `permissionDenied`, `cancelled` and `clientClosed`.
        public mutating func next(isolation actor: isolated (any Actor)?) async throws(EtcdError) -> KeyValue? {
            if stream == nil {
                // A call says why it is refused; etcd ends an observation without a reason.
                _ = try await sequence.service.leader(of: sequence.election)
                let request = Wire.LeaderRequest(name: sequence.election.bytes)
                stream = try await sequence.service.client.stream(Wire.electionObserve, request)
            }
            if let leader = try await stream?.next() { return leader.entry }
            let endpoint = stream.map { " [\($0.endpoint)]" } ?? ""
            throw EtcdError(.unavailable, "the server ended the observation of \(sequence.election)\(endpoint)")
        }
    }
}
