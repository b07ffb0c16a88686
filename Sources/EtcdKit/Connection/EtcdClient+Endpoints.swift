// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// The endpoints that are in use: those of the configuration, or those of the members after ``syncEndpoints()``.
    public var endpoints: [Endpoint] {
        get async { await core.channel.endpoints }
    }

    /// Replaces the endpoints by those that the cluster's members advertise.
    ///
    /// Learners and members that have not started yet are left out, and so are plaintext URLs if the configuration has
    /// secure ones only. If nobody is left, the endpoints stay as they are; if none of the new ones can be reached, those
    /// of the configuration are taken in again. See ``Configuration/endpointSyncInterval`` to have it done again and
    /// again.
    ///
    /// - Returns: The endpoints in use from now on.
    /// - Throws: ``EtcdError``.
    @discardableResult
    public func syncEndpoints() async throws(EtcdError) -> [Endpoint] {
        let list = try await call(Wire.memberList, Wire.MemberListRequest(linearizable: true))
        let voters = list.members.filter { !$0.isLearner && $0.isStarted }
        await core.channel.setEndpoints(voters.flatMap(endpoints))
        return await self.endpoints
    }

    /// Where a member can be reached, as it says itself.
    func endpoints(of member: Member) -> [Endpoint] {
        // What a member advertises for other kinds of clients is of no use here.
        let advertised = member.clientURLs.compactMap { try? Endpoint($0) }
        // A client that was told to use TLS does not give it up because of what a member says.
        let tls = core.channel.context.tls
        let isSecure = configuration.endpoints.allSatisfy(tls.secures)
        return advertised.filter { !isSecure || tls.secures($0) }
    }
}
