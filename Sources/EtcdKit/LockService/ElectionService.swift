// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// etcd's own elections, which are weak: see ``ElectionService``.
    public var electionService: ElectionService { ElectionService(client: self) }
}

/// etcd's own elections, for programs that share an election with programs that use these.
///
/// > Warning: The service does not report the loss of a leadership, so guard the leader's writes by a transaction:
/// > - A leadership lasts as long as its lease. With ``Lease/ID/none``, etcd makes a lease that is not renewed, so the
/// >   leader is deposed after 60 seconds without notice. Keep a lease of your own alive, such as that of
/// >   ``EtcdClient/withLease(timeToLive:_:)``.
/// > - A candidate whose lease has ended during the campaign is still reported as the winner later.
/// > - A token that expires while a campaign waits ends it (etcd#17623).
///
/// The `LeaderElection` of EtcdPatterns has none of these weaknesses.
public struct ElectionService: Sendable {
    let client: EtcdClient

    /// Waits to become the leader.
    ///
    /// The wait is a call, so it ends with the client's time for a call (see ``EtcdClient/with(timeout:)``), and then
    /// throws `ambiguous`: the candidate may have won at the last moment. After any other error, too, a key may be left
    /// that wins later, as long as the lease lives. To resolve this, campaign again with the same lease, or revoke it;
    /// this needs a lease of your own.
    ///
    /// - Parameters:
    ///   - election: The name of the election.
    ///   - value: The value of the candidate, such as its address.
    ///   - lease: The lease on which the candidacy depends. A leader with this lease wins again at once.
    /// - Returns: The leadership.
    /// - Throws: ``EtcdError``, among its codes `leaseNotFound`, `permissionDenied` and `ambiguous`.
    public func campaign(
        _ election: Key,
        value: Value,
        lease: Lease.ID
    ) async throws(EtcdError) -> ElectedLeader {
        try check(election)
        let request = Wire.CampaignRequest(name: election.bytes, lease: lease.rawValue, value: value.bytes)
        return try await client.call(Wire.campaign, request).leader
    }

    /// Changes the value of the leader.
    ///
    /// - Parameters:
    ///   - value: The new value.
    ///   - leader: The leadership, from ``campaign(_:value:lease:)``.
    /// - Throws: ``EtcdError``, among its codes `leadershipLost` and `ambiguous`, after which it may be repeated.
    public func proclaim(_ value: Value, as leader: ElectedLeader) async throws(EtcdError) {
        _ = try await client.call(Wire.proclaim, Wire.ProclaimRequest(leader: leader, value: value.bytes))
    }

    /// Asks for the leader.
    ///
    /// - Parameter election: The name of the election.
    /// - Returns: The leader's entry, with its value; nil if there is no leader.
    /// - Throws: ``EtcdError``.
    public func leader(of election: Key) async throws(EtcdError) -> KeyValue? {
        try check(election)
        do throws(EtcdError) {
            return try await client.call(Wire.electionLeader, Wire.KeyRequest(key: election.bytes)).entry
        } catch {
            if error.code == .server && error.message.hasPrefix("election: no leader ") { return nil }
            throw error
        }
    }

    /// The leader, and then each new leader or new value of the leader.
    ///
    /// Leaders that were deposed soon may be left out. The iteration never ends by itself, and throws when its connection
    /// breaks: unlike a watch, it does not go on elsewhere. Its errors are ``EtcdError``s, among their codes `unavailable`,
    /// `permissionDenied`, `cancelled` and `clientClosed`.
    ///
    /// - Parameter election: The name of the election.
    /// - Returns: The entries of the leaders, as in ``leader(of:)``.
    public func observe(_ election: Key) -> LeaderSequence {
        LeaderSequence {
            var stream: ResponseStream<Wire.KeyRequest, Wire.LeaderResponse>?
            return { () throws(EtcdError) in
                if stream == nil {
                    // A call says why it is refused; etcd ends an observation without a reason.
                    _ = try await leader(of: election)
                    stream = try await client.stream(Wire.electionObserve, Wire.KeyRequest(key: election.bytes))
                }
                if let leader = try await stream?.next() { return leader.entry }
                let endpoint = stream.map { " [\($0.endpoint)]" } ?? ""
                throw EtcdError(.unavailable, "the server ended the observation of \(election)\(endpoint)")
            }
        }
    }

    /// Gives the leadership up; does nothing if it is lost.
    ///
    /// - Parameter leader: The leadership, from ``campaign(_:value:lease:)``.
    /// - Throws: ``EtcdError``, among its codes `ambiguous`, after which it may be repeated.
    public func resign(_ leader: ElectedLeader) async throws(EtcdError) {
        _ = try await client.call(Wire.resign, Wire.ResignRequest(leader: leader))
    }

    private func check(_ election: Key) throws(EtcdError) {
        if election.bytes.isEmpty { throw EtcdError(.emptyKey, "the name of the election is empty") }
    }
}

/// The leaders of an election, one after the other; see ``ElectionService/observe(_:)``.
public typealias LeaderSequence = UpdateSequence<KeyValue, EtcdError>
