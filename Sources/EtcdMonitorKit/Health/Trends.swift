// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The memory of previous polls, bounded by windows and by the number of members.
struct Trends: Sendable {
    /// The members, by ``MemberObservation/key``.
    private(set) var members: [String: MemberTrend] = [:]
    /// The monitored cluster: the cluster of most endpoints, which stays the same as long as one endpoint belongs to
    /// it.
    private(set) var clusterID: UInt64?
    /// The last leader that most voters saw.
    private(set) var leader: Leader?
    /// The changes of the leader, the newest first.
    private(set) var leaderHistory: [LeaderChange] = []
    /// The times when a leader took over from another one, the oldest first.
    private(set) var takeovers: [Duration] = []
    /// The newest term at each poll at which it grew, the oldest first.
    private(set) var terms: [(uptime: Duration, term: UInt64)] = []
    /// Since when a majority has answered without a working consensus; nil if it works, or if there is no majority.
    private(set) var leaderlessSince: Duration?
    /// The last poll in which a member was down, frozen, isolated or restarted.
    private(set) var lastAilment: Duration?
    /// The last poll with such a member, without a leader, with a new leader, or with an alarm.
    private(set) var lastTrouble: Duration?
    /// Since when members run different versions; nil if they do not.
    private(set) var skewSince: Duration?
    /// The newest revision that a linearizable read has returned.
    private(set) var highestRead: Revision = 0
    /// The time when a linearizable read returned an older revision, and the revision.
    private(set) var readDrop: RevisionDrop?

    private let thresholds: Thresholds

    init(_ thresholds: Thresholds) { self.thresholds = thresholds }

    /// Records the answers of each member.
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

    /// Records the state of the whole cluster.
    mutating func note(_ situation: Situation) {
        let now = situation.uptime
        let takeover = noteLeader(of: situation)

        let term = max(situation.term, terms.last?.term ?? 0)
        if terms.last?.term != term { terms.append((now, term)) }
        // The newest entry older than the window marks the start of the window.
        let horizon = now - .threshold(thresholds.failedElectionsWindowSeconds)
        while terms.count > 1, terms[1].uptime < horizon { terms.removeFirst() }
        takeovers.removeAll { $0 < now - .threshold(thresholds.leaderChangesWindowSeconds) }

        // Hanging reads count as one state with elections, whichever member leads at the moment of a poll.
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

    /// Records the leader.
    ///
    /// Returns whether it has taken over from another one.
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
    /// The answers to the last visit, which is older than this poll if the poll did not ask for metrics.
    private(set) var visit = MetricsVisit()
    /// The number of visits in a row, up to the last one, in which its metrics were read.
    private(set) var scrapes = 0
    private var lastVisit: Duration?
    /// The number of polls in a row, up to this one, in which it answered no call.
    private(set) var silentPolls = 0
    /// The number of these polls since its address last refused connections.
    private(set) var latePolls = 0
    /// Whether linearizable reads were answered in the last polls, the newest last.
    private(set) var reads: [Bool] = []
    /// The times of its restarts, the oldest first.
    private(set) var restarts: [Duration] = []
    /// Since when it has been seen as a learner; nil if it is not one.
    private(set) var learnerSince: Duration?
    /// The number of entries that it lacked in this poll and in the previous one.
    private(set) var lag: (now: UInt64?, before: UInt64?)
    /// The revision that it reported in this poll.
    private(set) var revision: Revision?
    private var drop: RevisionDrop?
    /// When its revision went back, and how far; nil until a visit has shown that its process did not restart.
    var revisionDrop: RevisionDrop? { drop.flatMap { $0.uptime <= lastVisit ?? .zero ? $0 : nil } }
    /// The size of its database at about 240 moments of the window, the oldest first.
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
        let previousPage = log.newest ?? now
        if let visit = member.visit {
            (self.visit, lastVisit) = (visit, now)
            if let page = visit.metrics.answer {
                log.add(page, at: now)
                scrapes += 1
                let known = restarts.last
                restarts += log.restarts.filter { restart in known.map { restart > $0 } ?? true }
            } else {
                scrapes = 0
            }
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
        if let new, let revision, new < revision { drop = RevisionDrop(uptime: now, from: revision, to: new) }
        if let found = drop, let new {
            let isExplained = restarts.last == now && found.uptime > previousPage
            let isOver = now - found.uptime > .threshold(thresholds.revisionRegressionSeconds)
            if isExplained || isOver || new >= found.from { drop = nil }
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

    /// Whether its address refused connections a moment ago and it does not answer yet.
    ///
    /// For two polls, such a member counts as starting.
    var isStarting: Bool { silentPolls > latePolls && (1...2).contains(latePolls) }
}

/// A revision that went back, which never happens in a correct store.
struct RevisionDrop: Sendable {
    var uptime: Duration
    var from: Revision
    var to: Revision
}

extension Duration {
    /// A duration from the thresholds, which may be any number.
    static func threshold(_ seconds: Double) -> Duration { .seconds(seconds > 0 ? min(seconds, 1e12) : 0) }

    /// The duration in seconds.
    var inSeconds: Double { self / .seconds(1) }
}
