// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdMonitorKit

extension MonitorSnapshot {
    /// A snapshot of three members, five seconds after the one before it; its figures follow from its number.
    static func sample(
        _ poll: Int,
        cluster: String = "c",
        start: Date = Date(timeIntervalSince1970: 1_790_000_000.25),
        findings: [Finding] = []
    ) -> MonitorSnapshot {
        var snapshot = MonitorSnapshot()
        snapshot.cluster = cluster
        snapshot.poll = poll
        snapshot.time = start + Double(poll) * 5
        snapshot.pollSeconds = 0.01
        snapshot.verdict = findings.map(\.verdict).max() ?? .ok
        snapshot.quorum.voters = 3
        snapshot.quorum.healthyVoters = 3
        snapshot.leader = Leader(memberID: "a1", name: "m1", term: 7, since: start)
        snapshot.metrics = [.keys: Double(poll)]
        snapshot.members = ["a1", "b2", "c3"].map { id in
            var member = MemberSnapshot()
            member.id = id
            member.metrics = [.keys: Double(poll), .fsyncP99Seconds: Double(poll) / 1000]
            return member
        }
        snapshot.findings = findings
        return snapshot
    }

    /// How many figures a sample has.
    static let sampleFigures = 7
}
