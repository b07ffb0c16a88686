// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Checks of the membership and the security of the cluster.
extension ReadinessReport.Item {
    static let setup = [
        Self(
            id: "voter-count",
            title: "The number of voters is odd, from 3 to 7",
            advice:
                "Run 3 voters, or 5 to survive two failures; an even number adds no fault tolerance."
        ) { snapshot in
            let voters = snapshot.quorum.voters
            if voters == 0 { return (.unknown, "No member reports the voters.") }
            return (voters < 3 ? .fail : voters.isMultiple(of: 2) || voters > 7 ? .warn : .pass, "\(voters) voters")
        },
        Self(
            id: "endpoints-reachable",
            title: "Every member answers the monitor",
            advice: "Check whether the member runs, and whether a firewall blocks the connection."
        ) { snapshot in
            let away = snapshot.startedMembers.compactMap { member in
                member.probes["status"]?.failure.map { (text: "\(member.label): \($0.message)", failure: $0) }
            }
            if snapshot.startedMembers.isEmpty { return (.unknown, "No member is known.") }
            if away.isEmpty { return (.pass, "\(snapshot.startedMembers.count) members answer") }
            let isDown = away.contains { $0.failure.countsAgainstMember }
            return (isDown ? .fail : .unknown, away.map(\.text).joined(separator: "; "))
        },
        Self(
            id: "one-version",
            title: "All members run the same version",
            advice: "Finish the upgrade: a cluster works at the version of its oldest member."
        ) { snapshot in
            let versions = Set(snapshot.startedMembers.compactMap(\.version)).sorted()
            if versions.isEmpty { return (.unknown, "No member reports its version.") }
            return (versions.count == 1 ? .pass : .warn, versions.joined(separator: ", "))
        },
        Self(
            id: "no-leftovers",
            title: "There are no leftover learners and no members that have not started",
            advice: "Promote learners that have caught up; remove members that will not be started."
        ) { snapshot in
            let leftovers = snapshot.members.filter { $0.role == .learner || $0.role == .unstarted }
            if snapshot.members.isEmpty { return (.unknown, "No member is known.") }
            let names = leftovers.map { "\($0.label) (\($0.role.rawValue))" }.joined(separator: ", ")
            return leftovers.isEmpty ? (.pass, "none of \(snapshot.members.count) members") : (.warn, names)
        },
        Self(
            id: "clock-spread",
            title: "The members' clocks agree within 2 s",
            advice: "Synchronise the clocks with NTP: certificates and logs depend on them, and etcd warns from 1 s on."
        ) { snapshot in
            let offsets = snapshot.startedMembers.compactMap(\.clockOffsetSeconds)
            guard let first = offsets.min(), let last = offsets.max() else { return (.unknown, "No clock is known.") }
            return (last - first > 2 ? .warn : .pass, "\(seconds(last - first)) between \(offsets.count) clocks")
        },
    ]

    static let security = [
        Self(
            id: "tls",
            title: "Clients connect with TLS",
            advice:
                "Serve clients with --cert-file and --key-file; require client certificates with --client-cert-auth."
        ) { snapshot in
            let members = snapshot.startedMembers
            let open = members.filter { $0.usesTLS == false }
            if !open.isEmpty { return (.fail, "off at " + open.map(\.label).joined(separator: ", ")) }
            let isKnown = !members.isEmpty && members.allSatisfy { $0.usesTLS == true }
            return isKnown ? (.pass, "on") : (.unknown, "Not all members were reached.")
        },
        Self(
            id: "certificate-expiry",
            title: "No certificate expires within 30 days",
            advice: "Renew it in time. etcd reads a renewed certificate at the next connection, without a restart."
        ) { snapshot in
            let ends = snapshot.members.flatMap { member in
                member.certificates.map { (label: "\($0.subject) of \(member.label)", time: $0.notAfter) }
            }
            guard let first = ends.min(by: { $0.time < $1.time }) else {
                let isPlain = snapshot.startedMembers.contains { $0.usesTLS == false }
                return isPlain ? (.pass, "There are none without TLS.") : (.unknown, "No certificate was seen.")
            }
            let days = first.time.timeIntervalSince(snapshot.time) / 86_400
            let evidence = String(format: "%.0f days left for the first of %d, ", days, ends.count) + first.label
            return (days < 7 ? .fail : days < 30 ? .warn : .pass, evidence)
        },
        Self(
            id: "auth",
            title: "Authentication is on",
            advice:
                "Give each service a user with a role for its own keys, and enable authentication. Without it, every "
                + "client may change all keys."
        ) { snapshot in
            guard let isOn = snapshot.isAuthEnabled else { return (.unknown, "etcd reports it from 3.5 on.") }
            return isOn ? (.pass, "on") : (.warn, "off")
        },
        Self(
            id: "monitor-rights",
            title: "The monitor has the rights that it needs",
            advice: "Give the monitor a user with the role root, or a certificate that the members accept."
        ) { snapshot in
            let refused = snapshot.startedMembers.flatMap { member in
                member.probes.sorted { $0.key < $1.key }.compactMap { probe, result in
                    switch result.failure?.reason {
                    case .unauthorized, .tls: "\(member.label), \(probe): \(result.failure?.message ?? "")"
                    default: nil
                    }
                }
            }
            if snapshot.startedMembers.isEmpty { return (.unknown, "No member is known.") }
            return refused.isEmpty ? (.pass, "no probe was refused") : (.warn, refused.joined(separator: "; "))
        },
    ]
}
