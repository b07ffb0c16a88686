// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Maintains the members of the cluster: their status, alarms, databases and leader.
    public var maintenance: Maintenance { Maintenance(client: self) }
}

/// The maintenance of a cluster.
///
/// A call that concerns one member takes its ``Endpoint``. If that is not one of the client's, the client connects to it
/// for the time of the call.
public struct Maintenance: Sendable {
    let client: EtcdClient

    /// Asks a member for its status.
    ///
    /// - Parameter endpoint: Where the member is.
    /// - Returns: The status.
    /// - Throws: ``EtcdError``.
    public func status(of endpoint: Endpoint) async throws(EtcdError) -> MemberStatus {
        try await client.call(Wire.status, Wire.EmptyRequest(), at: endpoint)
    }

    // MARK: Alarms

    /// Lists the alarms of all members.
    ///
    /// - Returns: The alarms that are raised.
    /// - Throws: ``EtcdError``.
    public func alarms() async throws(EtcdError) -> [Alarm] {
        try await client.call(Wire.alarm.reading, Wire.AlarmRequest()).alarms
    }

    /// Disarms an alarm; one that is not raised is no error.
    ///
    /// etcd raises it again when the reason is still there.
    ///
    /// - Parameter alarm: The alarm.
    /// - Throws: ``EtcdError``, among its codes `memberNotFound` and `ambiguous`.
    public func disarm(_ alarm: Alarm) async throws(EtcdError) {
        let request = Wire.AlarmRequest(action: .deactivate, memberID: alarm.memberID.rawValue, kind: alarm.kind)
        let disarmed = try await client.call(Wire.alarm, request).alarms
        // etcd does not report an alarm that is not raised, or a member that does not exist.
        if disarmed.isEmpty, try await !client.cluster.list().contains(where: { $0.id == alarm.memberID }) {
            throw EtcdError(.memberNotFound, "the cluster has no member \(alarm.memberID)")
        }
    }

    /// Disarms all alarms of all members, one after the other.
    ///
    /// - Returns: The alarms that were raised.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`.
    @discardableResult
    public func disarmAll() async throws(EtcdError) -> [Alarm] {
        let alarms = try await alarms()
        for alarm in alarms { try await disarm(alarm) }
        return alarms
    }

    // MARK: Databases

    /// Returns the unused space of a member's database to its file system.
    ///
    /// The member answers nothing else meanwhile, and continues even if the call is given up; a large database may take
    /// longer than ``EtcdClient/Configuration/callTimeout``, so see ``EtcdClient/with(timeout:)``. Do one member at a
    /// time.
    ///
    /// - Parameter endpoint: Where the member is.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`.
    public func defragment(_ endpoint: Endpoint) async throws(EtcdError) {
        _ = try await client.call(Wire.defragment, Wire.EmptyRequest(), at: endpoint)
    }

    /// Hashes all of a member's database, its own records included; for tests of etcd.
    ///
    /// To compare members, see ``keyValueHash(of:at:)``.
    ///
    /// - Parameter endpoint: Where the member is.
    /// - Returns: The hash.
    /// - Throws: ``EtcdError``.
    public func hash(of endpoint: Endpoint) async throws(EtcdError) -> UInt32 {
        try await client.call(Wire.hash, Wire.EmptyRequest(), at: endpoint).hash
    }

    /// Hashes the keys and values of a member, with their history.
    ///
    /// - Parameters:
    ///   - endpoint: Where the member is.
    ///   - revision: The newest revision that counts; nil for the newest that the member has.
    /// - Returns: The hash.
    /// - Throws: ``EtcdError``, among its codes `compacted` and `futureRevision`.
    public func keyValueHash(
        of endpoint: Endpoint,
        at revision: Revision? = nil
    ) async throws(EtcdError) -> KeyValueHash {
        let request = Wire.HashKVRequest(revision: revision?.rawValue ?? 0)
        return try await client.call(Wire.hashKV, request, at: endpoint)
    }

    // MARK: The leader

    /// Makes another member the leader.
    ///
    /// - Parameters:
    ///   - memberID: The member that shall lead.
    ///   - leader: The endpoint of the current leader, which alone can do this; nil to find it by the list of members.
    /// - Throws: ``EtcdError``, among its codes `badLeaderTransferee` for a member that cannot lead, `notLeader` if the
    ///   member at `leader` does not lead or the leader cannot be found, `noLeader`, and `ambiguous`.
    public func moveLeader(to memberID: Member.ID, from leader: Endpoint? = nil) async throws(EtcdError) {
        let endpoint: Endpoint
        if let leader { endpoint = leader } else { endpoint = try await self.leader() }
        _ = try await client.call(Wire.moveLeader, Wire.MemberRequest(id: memberID.rawValue), at: endpoint)
    }

    /// The endpoint of the leader, if possible one of the client's own.
    private func leader() async throws(EtcdError) -> Endpoint {
        guard let leader = try await client.call(Wire.status, Wire.EmptyRequest()).leader else {
            throw EtcdError(.noLeader, "the member that was asked has no leader")
        }
        let advertised = try await client.cluster.list().first { $0.id == leader }.map(client.endpoints) ?? []
        let known = await client.endpoints.first { endpoint in
            advertised.contains { ($0.authority, $0.socketPath) == (endpoint.authority, endpoint.socketPath) }
        }
        guard let endpoint = known ?? advertised.first else {
            throw EtcdError(.notLeader, "the leader, \(leader), has no usable endpoint in the list of members; name it")
        }
        return endpoint
    }

    // MARK: Downgrades

    /// Asks whether the cluster could be downgraded; etcd 3.5 and later.
    ///
    /// - Parameter version: The version to downgrade to, as `3.5`: one minor version below that of the cluster.
    /// - Returns: The version of the cluster.
    /// - Throws: ``EtcdError``, among its codes `invalidDowngradeVersion`, `downgradeInProgress`,
    ///   `clusterVersionUnavailable` soon after the start of the cluster, and `unimplemented`.
    @discardableResult
    public func validateDowngrade(to version: String) async throws(EtcdError) -> String {
        try await downgrade(Wire.downgrade.reading, .validate, version)
    }

    /// Lets the members be replaced by those of an older version; etcd 3.5 and later.
    ///
    /// etcd 3.6 and later answer at once, and ``MemberStatus/downgradeTarget`` then has the version. The version of the
    /// cluster soon becomes the requested one, so that a repeated call throws `downgradeInProgress` at first, and
    /// `invalidDowngradeVersion` later.
    ///
    /// etcd 3.5 does it without answering, so the call throws `ambiguous` after some seconds; made again, it throws
    /// `downgradeInProgress`.
    ///
    /// - Parameter version: The version to downgrade to, as `3.5`: one minor version below that of the cluster.
    /// - Returns: The version of the cluster.
    /// - Throws: ``EtcdError``, among its codes `invalidDowngradeVersion`, `downgradeInProgress`, `unimplemented` and
    ///   `ambiguous`.
    @discardableResult
    public func enableDowngrade(to version: String) async throws(EtcdError) -> String {
        try await downgrade(Wire.downgrade, .enable, version)
    }

    /// Ends a downgrade; etcd 3.5 and later.
    ///
    /// etcd 3.6 and later answer at once, and always with success: also when there is no downgrade, and when it could
    /// not be ended. ``MemberStatus/downgradeTarget`` shows the result.
    ///
    /// etcd 3.5 does it without answering, so the call throws `ambiguous` after some seconds; made again, it throws
    /// `noDowngradeInProgress`.
    ///
    /// - Returns: The version of the cluster.
    /// - Throws: ``EtcdError``, among its codes `noDowngradeInProgress` (etcd 3.5), `unimplemented` and `ambiguous`.
    @discardableResult
    public func cancelDowngrade() async throws(EtcdError) -> String {
        try await downgrade(Wire.downgrade, .cancel, "")
    }

    private func downgrade(
        _ method: GRPCMethod<Wire.DowngradeRequest, Wire.DowngradeResponse>,
        _ action: Wire.DowngradeRequest.Action,
        _ version: String
    ) async throws(EtcdError) -> String {
        try await client.call(method, Wire.DowngradeRequest(action: action, version: version)).version
    }
}
