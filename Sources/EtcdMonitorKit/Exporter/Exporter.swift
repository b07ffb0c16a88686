// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Builds the page of metrics from the newest snapshots, so members that are gone disappear from it.
enum Exporter {
    /// The page of some clusters.
    ///
    /// - Parameters:
    ///   - snapshots: The newest snapshot of each cluster.
    ///   - live: The names of the clusters whose polls continue.
    ///   - alerts: The alerts, if they are set up.
    ///   - format: The format of the page.
    /// - Returns: The text.
    static func page(
        of snapshots: [MonitorSnapshot],
        live: Set<String>,
        alerts: (any AlertSource)? = nil,
        format: Format = .text
    ) -> String {
        var page = ExporterPage()
        page.add("build_info", "The version of the monitor; always 1.", ["version": MonitorVersion.current], 1)
        for snapshot in snapshots {
            let isUp = live.contains(snapshot.cluster)
            page.add("up", "Whether the polls continue.", ["etcd_cluster": snapshot.cluster], isUp ? 1 : 0)
            // Before the first poll, only that is known.
            if snapshot.poll > 0 { addCluster(snapshot, to: &page) }
        }
        if let alerts { addAlerts(alerts, of: Set(snapshots.map(\.cluster)), to: &page) }
        return text(of: page.families, format)
    }

    private static func addCluster(_ snapshot: MonitorSnapshot, to page: inout ExporterPage) {
        let labels = ["etcd_cluster": snapshot.cluster]
        page.add("polls", .counter, "The polls that have finished.", labels, Double(snapshot.poll))
        page.add(
            "last_poll_timestamp_seconds",
            "The time when the last poll began.",
            labels,
            snapshot.time.timeIntervalSince1970
        )
        page.add("poll_duration_seconds", "The duration of the last poll.", labels, snapshot.pollSeconds)
        page.add("poll_interval_seconds", "The time between polls.", labels, snapshot.intervalSeconds)
        page.addOneOf("verdict", "The verdict on the cluster: 1 for the current one.", labels, snapshot.verdict)
        if let id = snapshot.clusterID {
            page.add("cluster_info", "The ID of the cluster; always 1.", labels.with("cluster_id", id), 1)
        }
        let quorum = snapshot.quorum
        page.addOneOf(
            "cluster_quorum",
            "The state of the quorum: 1 for the current one.",
            labels,
            quorum.state,
            "state"
        )
        page.add("cluster_voters", "The voting members.", labels, Double(quorum.voters))
        page.add("cluster_healthy_voters", "The voting members that work.", labels, Double(quorum.healthyVoters))
        let tolerance = Double(quorum.faultTolerance)
        page.add("cluster_fault_tolerance", "The number of voters that may still fail.", labels, tolerance)
        for role in MemberSnapshot.Role.allCases {
            let count = snapshot.members.count { $0.role == role }
            page.add("cluster_members", "The members by role.", labels.with("role", role.rawValue), Double(count))
        }
        if let leader = snapshot.leader {
            let labels = labels.with("member_id", leader.memberID).with("member", leader.name)
            page.add("cluster_leader", "The leader; always 1.", labels, 1)
            page.add("cluster_leader_term", "The term of the leader.", labels, Double(leader.term))
            let since = leader.since.timeIntervalSince1970
            page.add("cluster_leader_since_timestamp_seconds", "When it was first seen as leader.", labels, since)
        }
        for (figure, value) in snapshot.metrics.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            page.add("cluster_\(figure.rawValue)", figure.help, labels, value)
        }
        for link in snapshot.links where link.state != .unknown {
            let ends = labels.with("from", link.from).with("to", link.to)
            page.add("peer_link_up", "Whether one member hears another.", ends, link.state == .alive ? 1 : 0)
        }
        for finding in snapshot.findings {
            let kind = labels.with("code", finding.code.rawValue).with("subject", finding.id.subject)
            page.add(
                "finding",
                "A finding of the monitor; always 1.",
                kind.with("verdict", finding.verdict.rawValue),
                1
            )
        }
        for member in snapshot.members {
            addMember(member, labels.with("member_id", member.id).with("member", member.name), to: &page)
        }
    }

    private static func addMember(_ member: MemberSnapshot, _ labels: [String: String], to page: inout ExporterPage) {
        var info = labels.with("role", member.role.rawValue)
        info["version"] = member.version ?? ""
        info["endpoint"] = member.endpoint ?? ""
        page.add("member_info", "The role, version and endpoint of the member; always 1.", info, 1)
        page.addOneOf("member_verdict", "The verdict on the member: 1 for the current one.", labels, member.verdict)
        for (probe, result) in member.probes.sorted(by: { $0.key < $1.key }) {
            let labels = labels.with("probe", probe)
            let success: Double = result.failure == nil ? 1 : 0
            page.add("probe_success", "Whether the last probe was answered.", labels, success)
            page.add("probe_duration_seconds", "The latency of the last probe.", labels, result.seconds)
        }
        let (index, applied) = (member.raftIndex, member.raftAppliedIndex)
        page.add("member_raft_term", "The member's Raft term.", labels, member.raftTerm.map(Double.init))
        page.add("member_raft_index", "The newest entry of its Raft log.", labels, index.map(Double.init))
        page.add("member_raft_applied_index", "Its newest applied entry.", labels, applied.map(Double.init))
        page.add("member_revision", "The revision of its store.", labels, member.revision.map(Double.init))
        let offset = member.clockOffsetSeconds
        page.add("member_clock_offset_seconds", "The offset of its clock from the monitor's.", labels, offset)
        for (figure, value) in member.metrics.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            page.add("member_\(figure.rawValue)", figure.help, labels, value)
        }
        // Of two certificates with the same name, the one that expires first is shown.
        for certificate in member.certificates.sorted(by: { $0.notAfter < $1.notAfter }) {
            let labels = labels.with("subject", certificate.subject).with("role", certificate.role.rawValue)
            let end = certificate.notAfter.timeIntervalSince1970
            page.add("certificate_expiry_timestamp_seconds", "The time when a certificate expires.", labels, end)
        }
    }
}
