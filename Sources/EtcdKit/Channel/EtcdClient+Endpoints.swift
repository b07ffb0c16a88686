// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// The endpoints that are in use: those of the configuration, or those of the members after ``syncEndpoints()``.
    public var endpoints: [Endpoint] {
        get async { await core.channel.endpoints }
    }

    /// Replaces the endpoints by those that the cluster's members advertise.
    ///
    /// Learners and members that have not started yet are left out, and so are plaintext URLs if the configuration has
    /// secure ones only, unix sockets that are not in the configuration, and all beyond 64 URLs, or beyond 8 of a
    /// member. An endpoint that is only written differently keeps its connection, and its place in ``endpoints``. If
    /// none is left, the endpoints do not change; if none of the new ones can be reached, the configured ones are used
    /// again. ``Configuration/endpointSyncInterval`` repeats this regularly.
    ///
    /// - Returns: The endpoints in use from now on.
    /// - Throws: ``EtcdError``.
    @discardableResult
    public func syncEndpoints() async throws(EtcdError) -> [Endpoint] {
        let list = try await call(Wire.memberList, Wire.MemberListRequest(linearizable: true))
        let voters = list.members.filter { !$0.isLearner && $0.isStarted }
        await core.channel.setEndpoints(Array(voters.flatMap(endpoints).prefix(64)))
        return await self.endpoints
    }

    /// Whether connections to an endpoint are protected by TLS.
    package func secures(_ endpoint: Endpoint) -> Bool { core.channel.tls.secures(endpoint) }

    /// The endpoints that a member advertises, without those that are not to be trusted.
    package func endpoints(of member: Member) -> [Endpoint] {
        // URLs for other kinds of clients are of no use here.
        let advertised = member.clientURLs.lazy.compactMap { try? Endpoint($0) }
        let tls = core.channel.tls
        let configured = configuration.endpoints
        // A member cannot make a client give up TLS.
        let isSecure = configured.allSatisfy(tls.secures)
        let paths = Set(configured.compactMap(\.socketPath))
        let usable = advertised.filter { endpoint in
            // A unix socket may belong to any service of this machine.
            (!isSecure || tls.secures(endpoint)) && endpoint.socketPath.map(paths.contains) != false
        }
        return Array(usable.prefix(8))
    }
}
