// SPDX-License-Identifier: Apache-2.0

/// What the parts of a client share: its settings, its token, what it knows of the cluster, and whom it tells.
final class ClientContext: Sendable {
    let configuration: EtcdClient.Configuration
    let tokens: TokenStore
    let witness = ClusterWitness()
    let tls: TLSContextSource
    let missingMethods = MissingMethods()

    init(_ configuration: EtcdClient.Configuration) {
        self.configuration = configuration
        tokens = TokenStore(configuration.credentials)
        tls = TLSContextSource(configuration.tls)
    }

    /// Tells the user of an event.
    func report(_ event: @autoclosure () -> EtcdClient.Event) {
        configuration.onEvent?(event())
    }

    /// What goes with a call or a stream at `endpoint`.
    func metadata(
        for endpoint: Endpoint,
        deadline: ContinuousClock.Instant? = nil,
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
}
