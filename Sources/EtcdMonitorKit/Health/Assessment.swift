// SPDX-License-Identifier: Apache-2.0

/// The result of one poll, judged with the polls before it.
struct Assessment: Sendable {
    /// The findings, the worst first.
    var findings: [Finding] = []
    /// etcd's ID of the cluster in hexadecimal digits; nil if no member has reported it.
    var clusterID: String?
    /// The state of the quorum.
    var quorum = Quorum()
    /// The leader, as most voters see it; nil for none.
    var leader: Leader?
    /// The changes of the leader, the newest first.
    var leaderHistory: [LeaderChange] = []
    /// The connections between members, as far as they can be judged.
    var links: [PeerLink] = []
    /// The worst finding about each member, by ``MemberObservation/key``; unknown if the monitor cannot judge the
    /// member.
    var memberVerdicts: [String: Verdict] = [:]
    /// The memory of the members, by the same keys.
    var trends: [String: MemberTrend] = [:]
}
