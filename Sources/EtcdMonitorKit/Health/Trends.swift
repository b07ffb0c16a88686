// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The memory between polls; bounded by windows and by the number of members.
struct Trends: Sendable {
    /// The members, by ``MemberObservation/key``.
    private(set) var members: [String: MemberTrend] = [:]
    /// The cluster that is watched: the one that most endpoints belong to, and the same for as long as one does.
    private(set) var clusterID: UInt64?
    /// The leader, as most voters saw it at last.
    private(set) var leader: Leader?
    /// The changes of the leader, the newest first.
    private(set) var leaderHistory: [LeaderChange] = []
    /// When a leader took over from another one, the oldest first.
    private(set) var takeovers: [Duration] = []
    /// The newest term at each poll at which it grew, the oldest first.
    private(set) var terms: [(uptime: Duration, term: UInt64)] = []
    /// Since when a majority has answered without being able to decide; nil if it can, or if there is no majority.
    private(set) var leaderlessSince: Duration?
    /// The last poll in which a member was down, frozen, cut off or restarted.
    private(set) var lastAilment: Duration?
    /// The last poll in which there was such a member, no leader, a new one, or an alarm.
    private(set) var lastTrouble: Duration?
    /// Since when members run different versions; nil if they do not.
    private(set) var skewSince: Duration?
    /// The newest revision that a read with a majority has returned.
    private(set) var highestRead: Revision = 0
    /// When such a read returned an older one, and which.
    private(set) var readDrop: RevisionDrop?

    private let thresholds: Thresholds

    init(_ thresholds: Thresholds) { self.thresholds = thresholds }

    /// Remembers what each member said.
    mutating func note(_ observation: ClusterObservation) {
        clusterID = observation.clusterID(preferring: clusterID)
        let statuses = observation.members.compactMap(\.status.answer).filter { $0.header.clusterID == clusterID }
        let newest = statuses.map(\.raftIndex).max() ?? 0
        var present: Set<String> = []
        for member in observation.members {
            present.insert(member.key)
            members[member.key, default: MemberTrend(thresholds)].note(
                member,
                at: observation.uptime,
                newest,
                thresholds
            )
        }
        for gone in members.keys where !present.contains(gone) { members[gone] = nil }
    }

    /// Remembers what the poll means for the cluster as a whole.
    mutating func note(_ situation: Situation) {
        let now = situation.uptime
        let takeover = noteLeader(of: situation)

        let term = max(situation.term, terms.last?.term ?? 0)
        if terms.last?.term != term { terms.append((now, term)) }
        // The newest of those that are older than the window says where the window began.
        let horizon = now - .threshold(thresholds.failedElectionsWindowSeconds)
        while terms.count > 1, terms[1].uptime < horizon { terms.removeFirst() }
        takeovers.removeAll { $0 < now - .threshold(thresholds.leaderChangesWindowSeconds) }

        // Reads that hang are one state with elections, whoever leads at the moment of a poll.
        let isLeaderless = situation.quorum.state == .lost && situation.hasMajority
        leaderlessSince = isLeaderless ? leaderlessSince ?? now : nil
        let isAiling = situation.members.contains { $0.condition.isAilment || $0.trend.restarts.last == now }
        if isAiling { lastAilment = now }
        let isTroubled = takeover || situation.leader == nil || situation.quorum.state == .lost
        if isAiling || isTroubled || !situation.alarms.isEmpty { lastTrouble = now }

        let versions = Set(situation.members.compactMap { $0.status?.version }.filter { !$0.isEmpty })
        if versions.count > 1 { skewSince = skewSince ?? now } else if !versions.isEmpty { skewSince = nil }

        if let read = situation.members.compactMap(\.observation.linearizableRead.answer).max() {
            if read < highestRead {
                readDrop = RevisionDrop(uptime: readDrop?.uptime ?? now, from: highestRead, to: read)
            }
            if read >= highestRead { (highestRead, readDrop) = (read, nil) }
        }
        if let drop = readDrop, now - drop.uptime > .threshold(thresholds.revisionRegressionSeconds) {
            (highestRead, readDrop) = (drop.to, nil)
        }
    }

    /// Remembers the leader, and tells whether it has taken over from another one.
    private mutating func noteLeader(of situation: Situation) -> Bool {
        if !situation.isLeaderKnown { return false }
        let id = situation.leader?.description
        if id == leader?.memberID {
            leader?.term = situation.leaderTerm
            return false
        }
        let isFirst = leader == nil && leaderHistory.isEmpty
        let before = leader?.memberID ?? leaderHistory.first?.from
        if !isFirst {
            let term = id == nil ? situation.term : situation.leaderTerm
            let change = LeaderChange(time: situation.time, from: leader?.memberID, to: id, term: term)
            leaderHistory.insert(change, at: 0)
            if leaderHistory.count > 50 { leaderHistory.removeLast() }
        }
        leader = id.map { id in
            let name = situation.members.first { $0.key == id }?.observation.name ?? ""
            return Leader(memberID: id, name: name, term: situation.leaderTerm, since: situation.time)
        }
        let isTakeover = !isFirst && id != nil && id != before
        if isTakeover { takeovers.append(situation.uptime) }
        return isTakeover
    }
}

/// The memory of a member between polls.
struct MemberTrend: Sendable {
    /// Its counters.
    private(set) var log: CounterLog
    /// The polls in a row, up to this one, in which its metrics were read.
    private(set) var scrapes = 0
    /// The polls in a row, up to this one, in which it answered no call.
    private(set) var silentPolls = 0
    /// Those of them that came after the last in which its address refused connections.
    private(set) var latePolls = 0
    /// Whether reads with a majority were answered in the last polls, the newest last.
    private(set) var reads: [Bool] = []
    /// When it restarted, the oldest first.
    private(set) var restarts: [Duration] = []
    /// Since when it has been seen as a learner; nil if it is none.
    private(set) var learnerSince: Duration?
    /// The entries that it lacked in this poll and in the one before.
    private(set) var lag: (now: UInt64?, before: UInt64?)
    /// The revision that it had in this poll, if it said so.
    private(set) var revision: Revision?
    /// When its revision went back, and how far.
    private(set) var revisionDrop: RevisionDrop?
    /// The size of its database, at some 240 moments of the window, the oldest first.
    private(set) var sizes: [(uptime: Duration, bytes: Double)] = []

    init(_ thresholds: Thresholds) {
        let windows = [
            thresholds.leaderChangesWindowSeconds, thresholds.failedElectionsWindowSeconds,
            thresholds.failedProposalsWindowSeconds, thresholds.requestErrorWindowSeconds,
            thresholds.diskWindowSeconds, thresholds.cpuWindowSeconds, 300,
        ]
        log = CounterLog(window: .threshold(windows.max() ?? 300))
    }

    mutating func note(_ member: MemberObservation, at now: Duration, _ newest: UInt64, _ thresholds: Thresholds) {
        if let page = member.metrics.answer {
            log.add(page, at: now)
            scrapes += 1
            let known = restarts.last
            restarts += log.restarts.filter { restart in known.map { restart > $0 } ?? true }
        } else {
            scrapes = 0
        }
        restarts.removeAll { $0 < now - .threshold(thresholds.restartsWindowSeconds) }
        noteSilence(member.silence)
        switch member.linearizableRead {
        case .answered: reads.append(true)
        case .failed: reads.append(false)
        case .skipped: break
        }
        if reads.count > 8 { reads.removeFirst() }
        learnerSince = member.isLearner ? learnerSince ?? now : nil
        lag = (member.status.answer.map { newest - min(newest, $0.raftIndex) }, lag.now)

        let new = member.status.answer?.header.revision
        if let new, let revision, new < revision, restarts.last != now {
            revisionDrop = RevisionDrop(uptime: now, from: revision, to: new)
        }
        if let drop = revisionDrop, let new {
            let isOver = now - drop.uptime > .threshold(thresholds.revisionRegressionSeconds)
            if isOver || new >= drop.from { revisionDrop = nil }
        }
        revision = new

        let window = Duration.threshold(thresholds.growthWindowSeconds)
        if let status = member.status.answer, sizes.last.map({ now - $0.uptime >= window / 240 }) ?? true {
            sizes.append((now, Double(status.databaseSize)))
        }
        sizes.removeAll { $0.uptime < now - window }
    }

    private mutating func noteSilence(_ reason: ProbeFailure.Reason?) {
        silentPolls = reason == nil ? 0 : silentPolls + 1
        latePolls = reason == nil || reason == .refused ? 0 : latePolls + 1
    }

    /// Its address refused connections a moment ago, and it does not answer yet: for two polls, it is taken for one that
    /// starts.
    var isStarting: Bool { silentPolls > latePolls && (1...2).contains(latePolls) }
}

/// A revision that went back, which etcd never lets happen.
struct RevisionDrop: Sendable {
    var uptime: Duration
    var from: Revision
    var to: Revision
}

extension Duration {
    /// A length of time of the thresholds, which may be any number.
    static func threshold(_ seconds: Double) -> Duration { .seconds(seconds > 0 ? min(seconds, 1e12) : 0) }

    /// The duration in seconds.
    var inSeconds: Double { self / .seconds(1) }
}
