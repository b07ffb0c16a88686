// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation

/// Logs the changes between snapshots of one cluster, one line each.
struct FindingLog {
    let terminal: Terminal
    /// Whether each line names the cluster, because there are several.
    let namesCluster: Bool
    private var known: [Finding.ID: Finding] = [:]
    private var isFirst = true

    init(_ terminal: Terminal, namesCluster: Bool) {
        self.terminal = terminal
        self.namesCluster = namesCluster
    }

    /// The lines for the changes in a snapshot.
    ///
    /// Changed figures alone make no line.
    mutating func lines(for snapshot: MonitorSnapshot) -> [String] {
        defer { isFirst = false }
        func line(_ verdict: Verdict, _ text: String) -> String {
            let place = namesCluster ? "\(snapshot.cluster): " : ""
            return "\(snapshot.time.inSeconds)  \(terminal.mark(verdict, width: 8))  \(place)\(text)"
        }
        var lines: [String] = []
        if isFirst {
            let leader = snapshot.leader.map { $0.name.isEmpty ? $0.memberID : $0.name } ?? "none"
            lines.append(line(snapshot.verdict, "\(snapshot.members.count) members, leader \(leader)"))
        }
        let current = Dictionary(snapshot.findings.map { ($0.id, $0) }) { first, _ in first }
        for finding in snapshot.findings where known[finding.id]?.verdict != finding.verdict {
            lines.append(line(finding.verdict, "\(finding.id): \(finding.summary)"))
        }
        for (id, finding) in known.sorted(by: { $0.key.description < $1.key.description }) where current[id] == nil {
            let seconds = Int(max(0, snapshot.time.timeIntervalSince(finding.since)).rounded())
            lines.append(line(.ok, "\(id): ended after \(seconds) s"))
        }
        known = current
        return lines
    }
}
