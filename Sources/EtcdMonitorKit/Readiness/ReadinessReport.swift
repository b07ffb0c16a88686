// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A checklist of whether a cluster is fit for production, made from one snapshot.
///
/// It judges the setup and the environment of the cluster. The findings of the snapshot report current faults.
public struct ReadinessReport: Sendable, Hashable, Codable {
    /// The outcome of a check.
    public enum Outcome: String, Sendable, Hashable, Codable, CaseIterable, Comparable {
        /// The check passed.
        case pass
        /// The monitor cannot tell; the evidence says why.
        case unknown
        /// It works, but should be changed.
        case warn
        /// It must be changed before production.
        case fail

        /// Orders outcomes from good to bad: pass, unknown, warn, fail.
        public static func < (left: Outcome, right: Outcome) -> Bool { left.rank < right.rank }

        private var rank: Int {
            switch self {
            case .pass: 0
            case .unknown: 1
            case .warn: 2
            case .fail: 3
            }
        }
    }

    /// A line of the checklist.
    public struct Check: Sendable, Hashable, Codable, Identifiable {
        /// A stable name, such as `voter-count`.
        public let id: String
        /// The claim that is checked.
        public let title: String
        /// The outcome.
        public let outcome: Outcome
        /// The facts behind the outcome.
        public let evidence: String
        /// The recommended action; nil if the check passed.
        public let advice: String?
    }

    /// The name of the cluster in the monitor.
    public let cluster: String
    /// The start of the poll that the report is made from.
    public let time: Date
    /// The worst outcome.
    public let outcome: Outcome
    /// The checks, in the order of the list.
    public let checks: [Check]

    /// Makes the report of a snapshot.
    ///
    /// - Parameter snapshot: The snapshot.
    public init(_ snapshot: MonitorSnapshot) {
        cluster = snapshot.cluster
        time = snapshot.time
        checks = (Item.setup + Item.security + Item.storage + Item.speed).map { item in
            let (outcome, evidence) = item.judge(snapshot)
            let advice = outcome == .pass ? nil : item.advice
            return Check(id: item.id, title: item.title, outcome: outcome, evidence: evidence, advice: advice)
        }
        outcome = checks.map(\.outcome).max() ?? .unknown
    }

    /// The checks of the list.
    struct Item: Sendable {
        typealias Judgement = (outcome: Outcome, evidence: String)

        let id: String
        let title: String
        let advice: String
        let judge: @Sendable (MonitorSnapshot) -> Judgement

        /// Judges a figure of all members by its worst value.
        static func worst(
            warn: Double,
            fail: Double = .infinity,
            _ shown: @escaping @Sendable (Double) -> String,
            _ figure: @escaping @Sendable (MemberSnapshot) -> Double?
        ) -> @Sendable (MonitorSnapshot) -> Judgement {
            { snapshot in
                let members = snapshot.startedMembers
                let values = members.compactMap { member in figure(member).map { (label: member.label, value: $0) } }
                guard let worst = values.map(\.value).max() else { return (.unknown, "No member reports it.") }
                let silent = members.count - values.count
                let evidence =
                    values.map { "\($0.label) \(shown($0.value))" }.joined(separator: ", ")
                    + (silent > 0 ? "; \(silent) of \(members.count) members do not report it" : "")
                return (worst > fail ? .fail : worst > warn ? .warn : silent > 0 ? .unknown : .pass, evidence)
            }
        }
    }
}

extension MonitorSnapshot {
    /// The members of the cluster that have started.
    var startedMembers: [MemberSnapshot] { members.filter { $0.role != .foreign && $0.role != .unstarted } }
}

extension MemberSnapshot {
    /// Its name in a text.
    var label: String { name.isEmpty ? id : name }
}
