// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Checks of the members' data and speed.
extension ReadinessReport.Item {
    static let storage = [
        Self(
            id: "no-alarms",
            title: "No alarm is raised",
            advice: "Remove the cause first, then disarm the alarm: until then, it blocks writes."
        ) { snapshot in
            let alarms = snapshot.findings.filter { $0.code == .alarmNoSpace || $0.code == .alarmCorrupt }
            if !alarms.isEmpty { return (.fail, alarms.map(\.summary).joined(separator: "; ")) }
            // Every member reports all alarms.
            let isAsked = snapshot.startedMembers.contains { $0.probes["status"]?.seconds != nil }
            return isAsked ? (.pass, "none") : (.unknown, "No member answers.")
        },
        Self(
            id: "quota-set",
            title: "All members have the same explicit quota, of at most 8 GiB",
            advice:
                "Set the same --quota-backend-bytes on all members. etcd's default is 2 GiB. Above 8 GiB, "
                + "a member takes long to start and to catch up."
        ) { snapshot in
            let quotas = Set(snapshot.startedMembers.compactMap { $0.metrics[.databaseQuotaBytes] }).sorted()
            guard let smallest = quotas.first, let largest = quotas.last else {
                return (.unknown, "No member reports it.")
            }
            let gibibyte = 1_073_741_824.0
            let isChosen = smallest == largest && smallest != 2 * gibibyte && largest <= 8 * gibibyte
            let evidence = quotas.map { String(format: "%.2f GiB", $0 / gibibyte) }.joined(separator: ", ")
            return (isChosen ? .pass : .warn, evidence)
        },
        Self(
            id: "quota-room",
            title: "The database takes less than 75 % of its quota",
            advice: "Compact, defragment one member after the other, and find the client that writes so much.",
            judge: worst(warn: 0.75, fail: 0.85, percent) { $0.metrics[.quotaUsedRatio] }
        ),
        Self(
            id: "auto-compaction",
            title: "Old revisions are compacted automatically",
            advice:
                "Set --auto-compaction-mode and --auto-compaction-retention, unless a client such as Kubernetes compacts."
        ) { snapshot in
            guard let compacted = snapshot.members.compactMap(\.compactRevision).max(),
                let newest = snapshot.members.compactMap(\.revision).max()
            else { return (.unknown, "No member reports its compacted revision.") }
            let old = newest > compacted ? newest.subtractingReportingOverflow(max(0, compacted)).partialValue : 0
            let evidence = "\(old) old revisions"
            if old <= 10_000 { return (.pass, evidence) }
            // etcd's own compaction runs at least once an hour.
            let moved = snapshot.members.compactMap(\.compactedAt).max()
            if let moved, snapshot.time.timeIntervalSince(moved) < 7200 {
                return (.pass, evidence + ", compacted recently")
            }
            let isLeft = moved != nil || old > 1_000_000
            return (isLeft ? .warn : .unknown, evidence + ", no compaction observed")
        },
        Self(
            id: "fragmentation",
            title: "Less than 45 % of the database file is free space",
            advice: "Defragment one member after the other, the leader last: each member is blocked while it runs.",
            judge: worst(warn: 0.45, percent) { member in
                guard let size = member.metrics[.databaseBytes], let used = member.metrics[.databaseInUseBytes] else {
                    return nil
                }
                // Small databases are not worth the pause.
                return size < 100e6 ? 0 : (size - used) / size
            }
        ),
        Self(
            id: "file-descriptors",
            title: "Less than 80 % of the file descriptors are open",
            advice: "Raise the limit of open files of the process, and look for clients that do not close connections.",
            judge: worst(warn: 0.8, percent) { member in
                guard let open = member.metrics[.openFiles], let limit = member.metrics[.maximumOpenFiles] else {
                    return nil
                }
                return limit > 0 ? open / limit : nil
            }
        ),
    ]

    static let speed = [
        Self(
            id: "fsync",
            title: "99 % of the log writes reach the disk within 10 ms",
            advice: "Give etcd a disk of its own, an SSD with power-loss protection.",
            judge: worst(warn: 0.01, fail: 0.1, seconds) { $0.metrics[.fsyncP99Seconds] }
        ),
        Self(
            id: "commit",
            title: "99 % of the database commits take less than 25 ms",
            advice: "Give etcd a disk of its own, and keep the database small.",
            judge: worst(warn: 0.025, fail: 0.25, seconds) { $0.metrics[.commitP99Seconds] }
        ),
        Self(
            id: "round-trip",
            title: "99 % of the round trips between members take less than 50 ms",
            advice: "Place the members closer to each other, or raise the heartbeat interval and the election timeout.",
            judge: worst(warn: 0.05, fail: 0.15, seconds) { $0.metrics[.peerRoundTripP99Seconds] }
        ),
    ]

    static func seconds(_ value: Double) -> String {
        abs(value) < 1 ? String(format: "%.1f ms", value * 1000) : String(format: "%.1f s", value)
    }

    private static func percent(_ ratio: Double) -> String { String(format: "%.0f %%", ratio * 100) }
}
