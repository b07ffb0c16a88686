// SPDX-License-Identifier: Apache-2.0

/// What the parts of a client share: its settings, its token, what it knows of the cluster, and whom it tells.
final class ClientContext: Sendable {
    let configuration: EtcdClient.Configuration
    /// The state that the loop has published for tasks that are not on it.
    let published: Lock<Published>
    let tokens: TokenStore
    let witness = ClusterWitness()
    let tls: TLSContextSource
    let missingMethods = MissingMethods()

    init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        published = Lock(Published())
        tokens = TokenStore(configuration.credentials, published)
        tls = TLSContextSource(configuration.tls)
    }

    /// Tells the user of an event.
    func report(_ event: @autoclosure () -> EtcdClient.Event) {
        configuration.onEvent?(event())
    }

    /// What goes with a call or a stream at `endpoint`.
    func metadata(
        for endpoint: Endpoint,
        deadline: MonotonicInstant? = nil,
        requiresLeader: Bool = false,
        token: AuthToken?
    ) -> GRPCMetadata {
        GRPCMetadata(
            authority: endpoint.authority,
            deadline: deadline,
            requiresLeader: requiresLeader,
            token: token
        )
    }

    /// The state of a client as it was a moment ago.
    struct Published {
        /// The connections that calls are spread over.
        var links: [Channel.Link] = []
        private var next = 0
        /// Calls have a choice of endpoints.
        var hasAlternatives = false
        /// The token, or that there is none; nil if it is to be waited for.
        var token: AuthToken??

        /// The next connection in turn of those that are not to be avoided.
        mutating func nextLink(avoiding avoided: [Endpoint], _ failover: FailoverPolicy) -> Channel.Link? {
            for offset in 0..<links.count {
                let index = (next + offset) % links.count
                if !avoided.isEmpty, avoided.contains(links[index].endpoint) { continue }
                if case .roundRobin = failover { next = (index + 1) % links.count }
                return links[index]
            }
            return nil
        }
    }
}
