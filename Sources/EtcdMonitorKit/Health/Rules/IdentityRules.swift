// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Rules about the identity of the cluster and the consistency of its data.
enum IdentityRules {
    static let all: [Evidence.Rule] = [foreignCluster, membershipDiverged, revisionRegression, hashes, corruptAlarm]

    static func foreignCluster(_ evidence: Evidence) -> [Suspicion] {
        let own = evidence.trends.clusterID
        let strangers = evidence.situation.strangers.filter { $0.status.answer != nil }
        let foreign = strangers.filter { $0.status.answer?.header.clusterID != own }
        let names = { (members: [MemberObservation]) in
            members.map { $0.endpoint?.description ?? $0.key }.joined(separator: ", ")
        }
        if !foreign.isEmpty {
            let summary = "\(names(foreign)) belongs to a different cluster than the other endpoints"
            let clusters = Set(foreign.compactMap { $0.status.answer?.header.clusterID }).count + 1
            let figures = ["clusters": Double(clusters), "foreignEndpoints": Double(foreign.count)]
            return [Suspicion(.foreignCluster, .critical, summary, figures, isImmediate: true)]
        }
        if strangers.isEmpty { return [] }
        // A removed member stops by itself, a moment later.
        let summary = "\(names(strangers)) belongs to this cluster, but no member lists it"
        let figures = ["foreignEndpoints": Double(strangers.count)]
        let hold = evidence.thresholds.strangerSeconds
        return [Suspicion(.foreignCluster, .critical, summary, figures, holdFor: hold)]
    }

    static func membershipDiverged(_ evidence: Evidence) -> [Suspicion] {
        let lists = evidence.wellMembers.compactMap { $0.observation.memberList.answer.map { Set($0.map(\.id)) } }
        guard Set(lists).count > 1 else { return [] }
        let summary = "Members disagree about the membership: there are \(Set(lists).count) different lists"
        let hold = evidence.thresholds.membershipDivergedSeconds
        let figures = ["lists": Double(Set(lists).count)]
        return [Suspicion(.membershipDiverged, .critical, summary, figures, holdFor: hold)]
    }

    static func revisionRegression(_ evidence: Evidence) -> [Suspicion] {
        let figures = { (drop: RevisionDrop) in
            ["revisionBefore": Double(drop.from.rawValue), "revisionAfter": Double(drop.to.rawValue)]
        }
        if let drop = evidence.trends.readDrop {
            let summary = "The revision of the store went back from \(drop.from) to \(drop.to): writes are lost"
            return [Suspicion(.revisionRegression, .critical, summary, figures(drop))]
        }
        return evidence.members.compactMap { member in
            member.trend.revisionDrop.map { drop in
                let summary = "went back from revision \(drop.from) to \(drop.to) without a restart"
                return Suspicion(.revisionRegression, of: member, .critical, summary, figures(drop))
            }
        }
    }

    /// Hashes are comparable only for the same revisions.
    ///
    /// A failed comparison does not clear a finding.
    static func hashes(_ evidence: Evidence) -> [Suspicion] {
        struct Range: Hashable {
            let from: Revision
            let to: Revision
        }
        let asked = evidence.members.filter { if case .skipped = $0.observation.hash { false } else { true } }
        if asked.isEmpty { return [] }
        let answers = asked.compactMap { member in member.observation.hash.answer.map { (member: member, hash: $0) } }
        let groups = Dictionary(grouping: answers) { Range(from: $0.hash.compactRevision, to: $0.hash.hashRevision) }
        var suspicions: [Suspicion] = []
        for group in groups.values {
            let byHash = Dictionary(grouping: group, by: \.hash.hash)
            if byHash.count < 2 { continue }
            let figures = ["members": Double(group.count), "hashes": Double(byHash.count)]
            let majority = byHash.values.first { $0.count >= evidence.quorum.voters / 2 + 1 }
            guard let good = majority?.first?.hash.hash else {
                let summary = "The data of members differ, and no majority agrees"
                return [Suspicion(.corruption, .critical, summary, figures, isImmediate: true)]
            }
            suspicions += group.filter { $0.hash.hash != good }.map { bad in
                let summary = "has different data than the majority"
                return Suspicion(.corruption, of: bad.member, .critical, summary, figures, isImmediate: true)
            }
        }
        if (groups.values.map(\.count).max() ?? 0) < 2 {
            let summary = "The data could not be compared: \(answers.count) of \(asked.count) members returned a hash"
            let figures = ["asked": Double(asked.count), "answered": Double(answers.count)]
            suspicions.append(Suspicion(.hashInconclusive, .unknown, summary, figures, isImmediate: true))
        }
        return suspicions
    }

    static func corruptAlarm(_ evidence: Evidence) -> [Suspicion] {
        evidence.alarms(.corrupt).map { id, name in
            let summary = "\(name) raised the alarm CORRUPT: its data are corrupt"
            let subject = id?.description ?? ""
            return Suspicion(.alarmCorrupt, about: subject, .critical, summary, member: id, isImmediate: true)
        }
    }
}

extension Evidence {
    /// The members with an alarm of a kind, and their names in a sentence; the ID is nil for the whole cluster.
    func alarms(_ kind: Alarm.Kind) -> [(id: Member.ID?, name: String)] {
        situation.alarms.filter { $0.kind == kind }.map { alarm in
            if alarm.memberID.rawValue == 0 { return (nil, "The cluster") }
            let label = members.first { $0.id == alarm.memberID }?.label ?? alarm.memberID.description
            return (alarm.memberID, "Member \(label)")
        }
    }
}
