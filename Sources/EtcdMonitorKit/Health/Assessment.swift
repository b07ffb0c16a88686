// SPDX-License-Identifier: Apache-2.0

/// The meaning of one poll, in the light of those before it.
struct Assessment: Sendable {
    /// The findings, the worst first.
    var findings: [Finding] = []
    /// etcd's number for the cluster in hexadecimal digits; nil if no member has said it.
    var clusterID: String?
    /// Whether the cluster can decide.
    var quorum = Quorum()
    /// The leader, as most voters see it; nil for none.
    var leader: Leader?
    /// The changes of the leader, the newest first.
    var leaderHistory: [LeaderChange] = []
    /// The connections between members, as far as they can be judged.
    var links: [PeerLink] = []
    /// The worst finding about each member, by ``MemberObservation/key``; unknown if nothing can be said of it.
    var memberVerdicts: [String: Verdict] = [:]
    /// The members' counters, by the same keys.
    var counters: [String: CounterLog] = [:]
}
