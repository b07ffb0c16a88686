// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The condition of a member.
///
/// It is determined before the rules run, which must know the members that cause a fault.
enum MemberCondition: Sendable {
    /// It answers, or nothing indicates a fault.
    case well
    /// It was added, and has never started.
    case unstarted
    /// Its address refuses connections.
    case down
    /// It accepts connections, or its network drops them, and no call is answered.
    case frozen
    /// It does not answer the monitor, but the other members hear it; or no member answers the monitor.
    case unreachable
    /// It answers, but does not belong to the working majority.
    case isolated
    /// It answers late or not at all, because it defragments its database.
    case defragmenting
    /// The monitor lacks the rights, or does not understand its answers.
    case opaque

    /// Whether it may affect others: elections, failed calls and lagging members can be its consequences.
    var isAilment: Bool {
        switch self {
        case .down, .frozen, .isolated, .defragmenting: true
        case .well, .unstarted, .unreachable, .opaque: false
        }
    }

    /// Whether its own figures are reliable.
    var isWell: Bool { self == .well }
}

/// A member in a poll.
struct MemberView: Sendable {
    let observation: MemberObservation
    let trend: MemberTrend
    var condition = MemberCondition.well

    var id: Member.ID? { observation.id }
    var key: String { observation.key }
    /// Its name in a sentence.
    var label: String { observation.name.isEmpty ? key : observation.name }
    var status: MemberStatus? { observation.status.answer }
    /// Its metrics as of the last visit.
    var page: Exposition? { trend.visit.metrics.answer }
    /// Its term, from the newest source: the term in its status is that of the last applied entry.
    var term: UInt64 { max(trend.visit.raft.answer?.term ?? 0, status?.raftTerm ?? 0) }
    /// Whether it knows a leader; nil if it does not report it.
    var hasLeader: Bool? {
        guard let status else { return page?["etcd_server_has_leader"].map { $0 > 0 } }
        return status.leader != nil && !status.errors.contains { $0.contains("no leader") }
    }

    /// Whether bytes from another member arrived between the last two visits; nil if that is unknown.
    ///
    /// Heartbeats make these bytes grow between a leader and each follower. etcd's own metric of a link,
    /// `active_peers`, stays 1 for minutes on a dead link since etcd 3.5.
    func hears(_ sender: String) -> Bool? {
        let isCounted = page?.samples(of: "etcd_network_peer_received_bytes_total").contains {
            $0.labels["From"] == sender && $0.value > 0
        }
        guard isCounted ?? false, trend.scrapes >= 2 else { return nil }
        return silent(from: sender) == nil
    }

    /// The time since when no bytes have arrived from another member; nil if some arrived between the last two visits.
    func silent(from sender: String) -> Duration? {
        trend.log.flatSince(of: "etcd_network_peer_received_bytes_total") { $0["From"] == sender }
    }

    /// Whether etcd reports the link to another member as down.
    ///
    /// Only a report of a lost link is reliable.
    func hasLost(_ peer: String) -> Bool {
        page?.samples(of: "etcd_network_active_peers").contains { $0.labels["Remote"] == peer && $0.value == 0 }
            ?? false
    }
}

/// The state of the whole cluster in a poll.
struct Situation: Sendable {
    let time: Date
    let uptime: Duration
    /// The members of the cluster.
    private(set) var members: [MemberView] = []
    /// The endpoints that answer, but belong to another cluster or to no list of members.
    private(set) var strangers: [MemberObservation] = []
    /// The leader, as most voters see it.
    private(set) var leader: Member.ID?
    /// Whether a voter reported if there is a leader.
    private(set) var isLeaderKnown = false
    /// The term in which it leads.
    private(set) var leaderTerm: UInt64 = 0
    /// The newest term.
    private(set) var term: UInt64 = 0
    private(set) var quorum = Quorum()
    /// The voters that answer the monitor.
    private(set) var answeringVoters = 0
    /// The alarms, which every member reports.
    private(set) var alarms: [Alarm] = []

    init(_ observation: ClusterObservation, _ trends: Trends, _ thresholds: Thresholds) {
        (time, uptime) = (observation.time, observation.uptime)
        let isAnyKnown = observation.members.contains { $0.id != nil }
        for member in observation.members {
            let clusterID = member.status.answer?.header.clusterID
            let isForeign = clusterID != nil && clusterID != trends.clusterID
            // An endpoint that has never reported its ID counts as a voter only while no endpoint has.
            if member.isListed && !isForeign && (member.id != nil || !isAnyKnown) {
                let trend = trends.members[member.key] ?? MemberTrend(thresholds)
                members.append(MemberView(observation: member, trend: trend))
            } else {
                strangers.append(member)
            }
        }
        let isAnyAlive = members.contains(where: \.observation.isAlive)
        for index in members.indices { members[index].condition = condition(of: members[index], isAnyAlive) }
        findLeader()
        judgeQuorum()
        if quorum.state == .available {
            for index in members.indices where isIsolated(members[index]) { members[index].condition = .isolated }
        }
        let healthy = voters.filter { $0.condition.isWell || $0.condition == .unreachable && isAnyAlive }
        quorum.healthyVoters = healthy.count
        term = members.map(\.term).max() ?? 0
        alarms = Set(members.flatMap { $0.status?.errors ?? [] }.flatMap(Alarm.read))
            .sorted { $0.memberID.rawValue < $1.memberID.rawValue }
    }

    /// Whether enough voters answer the monitor to form a majority.
    var hasMajority: Bool { answeringVoters >= quorum.voters / 2 + 1 }

    var voters: [MemberView] { members.filter { !$0.observation.isLearner } }

    /// The view of the leader; nil if there is none.
    var leaderView: MemberView? { members.first { $0.id == leader && leader != nil } }

    private func condition(of member: MemberView, _ isAnyAlive: Bool) -> MemberCondition {
        if !member.observation.isStarted { return .unstarted }
        guard let silence = member.observation.silence else { return member.observation.isAlive ? .well : .opaque }
        if member.isDefragmenting { return .defragmenting }
        // The address refuses connections, so the network works; the others hear a starting member before it serves.
        if silence == .refused || member.trend.isStarting { return .down }
        // Timeouts of all members may be caused by the monitor's own network.
        if !isAnyAlive { return .unreachable }
        // In the first silent poll, the bytes that have arrived may be from before the fault.
        let isHeard = members.contains { $0.key != member.key && $0.hears(member.key) == true }
        return member.trend.latePolls >= 2 && isHeard ? .unreachable : .frozen
    }

    private mutating func findLeader() {
        var votes: [Member.ID: (count: Int, term: UInt64)] = [:]
        for voter in voters where voter.hasLeader == true {
            let isLeader = voter.page?["etcd_server_is_leader"] == 1
            guard let named = voter.status?.leader ?? (isLeader ? voter.id : nil) else { continue }
            let (count, term) = votes[named] ?? (0, 0)
            votes[named] = (count + 1, max(term, voter.status?.raftTerm ?? 0))
        }
        isLeaderKnown = voters.contains { $0.hasLeader != nil }
        // Of two members with equal votes, the one of the newer term leads.
        let ranked = votes.map { ($0.value.count, $0.value.term, $0.key.rawValue) }
        guard let (_, term, number) = ranked.max(by: { $0 < $1 }) else { return }
        (leader, leaderTerm) = (Member.ID(rawValue: number), term)
    }

    private mutating func judgeQuorum() {
        let voters = voters
        quorum.voters = voters.count
        answeringVoters = voters.count(where: \.observation.isAlive)
        let majority = voters.count / 2 + 1
        let reads = voters.map(\.observation.linearizableRead)
        let failures = reads.compactMap(\.failure)
        let gone = voters.count { $0.condition == .down || $0.condition == .unstarted }
        if reads.contains(where: { $0.answer != nil }) {
            quorum.state = .available
        } else if voters.count - gone < majority && gone > 0 {
            // Refused connections prove that processes have ended, even if no member is left to report it.
            quorum.state = .lost
        } else if answeringVoters > 0, !failures.isEmpty, failures.allSatisfy(\.countsAgainstMember) {
            quorum.state = .lost
        }
    }

    /// Whether the member answers, but does not belong to the majority.
    private func isIsolated(_ member: MemberView) -> Bool {
        guard member.condition.isWell else { return false }
        if member.hasLeader == false { return true }
        guard let failure = member.observation.linearizableRead.failure, failure.reason == .timedOut else {
            return false
        }
        // In its first poll, only a hanging read reveals the isolation; later, the links distinguish it from a slow
        // read.
        if !member.trend.reads.dropLast().contains(false) { return true }
        guard let leader = leaderView, leader.key != member.key else { return false }
        return member.hears(leader.key) == false || leader.hears(member.key) == false
    }
}

extension Alarm {
    /// Parses the alarms in an error of a status, such as `memberID:10501334649042878790 alarm:NOSPACE `.
    ///
    /// The white space differs between versions.
    static func read(_ error: String) -> [Alarm] {
        var alarms: [Alarm] = []
        var rest = error[...]
        while let start = rest.firstRange(of: "memberID:") {
            rest = rest[start.upperBound...].drop(while: \.isWhitespace)
            let digits = rest.prefix(while: \.isNumber)
            rest = rest.dropFirst(digits.count).drop(while: \.isWhitespace)
            guard let number = UInt64(digits), rest.hasPrefix("alarm:") else { continue }
            rest = rest.dropFirst("alarm:".count).drop(while: \.isWhitespace)
            switch rest.prefix(while: \.isLetter) {
            case "NOSPACE": alarms.append(Alarm(.noSpace, of: Member.ID(rawValue: number)))
            case "CORRUPT": alarms.append(Alarm(.corrupt, of: Member.ID(rawValue: number)))
            default: continue
            }
        }
        return alarms
    }
}
