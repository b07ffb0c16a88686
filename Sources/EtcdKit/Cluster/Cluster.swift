// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Lists, adds, promotes, changes and removes the members of the cluster.
    public var cluster: Cluster { Cluster(client: self) }
}

/// The members of a cluster.
///
/// A change needs a majority of the members. etcd refuses a change that could cost the majority, with
/// `notEnoughStartedMembers`. For a few seconds after members have lost or found each other, it refuses every change,
/// with `unhealthy`: wait, and try again. A change whose outcome is unknown throws `ambiguous`: list the members before
/// you repeat it.
///
/// If the cluster has authentication, these calls need the user `root`; only listing does not.
public struct Cluster: Sendable {
    let client: EtcdClient

    /// Lists the members.
    ///
    /// - Parameter linearizable: Reads the current list, which needs a leader. Otherwise, the member that is asked
    ///   answers from its own copy, also without a leader. Before 3.5, etcd always does the latter.
    /// - Returns: The members.
    /// - Throws: ``EtcdError``.
    public func list(linearizable: Bool = true) async throws(EtcdError) -> [Member] {
        let method = linearizable ? Wire.memberList : Wire.memberList.serializable
        return try await client.call(method, Wire.MemberListRequest(linearizable: linearizable)).members
    }

    /// Adds a member, which is to be started afterwards.
    ///
    /// A voting member counts for the majority at once, although it has not started. It is better to add a learner,
    /// start it, and ``promote(_:)`` it when it has caught up.
    ///
    /// - Parameters:
    ///   - peerURLs: Where the other members will reach it, such as `http://10.0.0.4:2380`; at least one.
    ///   - isLearner: Adds it without a vote.
    /// - Returns: The new member, and all members including it, from which its `--initial-cluster` has to be made.
    /// - Throws: ``EtcdError``, among its codes `invalidMemberURLs`, `peerURLExists`, `tooManyLearners` (etcd allows one
    ///   by default), `notEnoughStartedMembers`, `unhealthy` and `ambiguous`.
    public func add(
        peerURLs: [String],
        isLearner: Bool = false
    ) async throws(EtcdError) -> (member: Member, members: [Member]) {
        try check(peerURLs)
        let request = Wire.MemberAddRequest(peerURLs: peerURLs, isLearner: isLearner)
        let response = try await client.call(Wire.memberAdd, request)
        return (response.member, response.members)
    }

    /// Gives a learner a vote.
    ///
    /// - Parameter id: The learner.
    /// - Returns: All members.
    /// - Throws: ``EtcdError``, among its codes `memberNotFound`, `memberNotLearner`, `learnerNotReady`,
    ///   `notEnoughStartedMembers`, `unhealthy` and `ambiguous`.
    @discardableResult
    public func promote(_ id: Member.ID) async throws(EtcdError) -> [Member] {
        try await client.call(Wire.memberPromote, Wire.MemberRequest(id: id.rawValue)).members
    }

    /// Changes where the other members reach a member.
    ///
    /// - Parameters:
    ///   - id: The member.
    ///   - peerURLs: Its new peer URLs, such as `http://10.0.0.4:2380`; at least one.
    /// - Returns: All members.
    /// - Throws: ``EtcdError``, among its codes `memberNotFound`, `invalidMemberURLs`, `peerURLExists` and `ambiguous`.
    @discardableResult
    public func update(_ id: Member.ID, peerURLs: [String]) async throws(EtcdError) -> [Member] {
        try check(peerURLs)
        let request = Wire.MemberUpdateRequest(id: id.rawValue, peerURLs: peerURLs)
        return try await client.call(Wire.memberUpdate, request).members
    }

    /// Removes a member permanently: its process ends, and cannot join again with its data.
    ///
    /// - Parameter id: The member.
    /// - Returns: All members that are left.
    /// - Throws: ``EtcdError``, among its codes `memberNotFound`, `notEnoughStartedMembers`, `unhealthy` and `ambiguous`.
    @discardableResult
    public func remove(_ id: Member.ID) async throws(EtcdError) -> [Member] {
        try await client.call(Wire.memberRemove, Wire.MemberRequest(id: id.rawValue)).members
    }

    /// Refuses text that is obviously no peer URL; etcd itself checks more.
    private func check(_ peerURLs: [String]) throws(EtcdError) {
        if peerURLs.isEmpty { throw EtcdError(.invalidMemberURLs, "a member without peer URLs") }
        for url in peerURLs {
            guard url.contains("://") else {
                throw EtcdError(.invalidMemberURLs, "\"\(url)\" is not a peer URL, such as http://10.0.0.4:2380")
            }
            do throws(EtcdError) {
                _ = try Endpoint(url)
            } catch {
                throw EtcdError(.invalidMemberURLs, "\"\(url)\" is not a peer URL", cause: error)
            }
        }
    }
}
