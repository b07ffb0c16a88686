// SPDX-License-Identifier: Apache-2.0

extension AlertRule {
    /// A rule for each kind of finding.
    ///
    /// Its alerts have the label `member` if the finding is about one.
    ///
    /// They fire as soon as there is a finding, because a finding has already lasted for some polls.
    public static let findings = Finding.Code.allCases.map { finding($0) }

    /// The rule for one kind of finding.
    ///
    /// - Parameters:
    ///   - code: The kind of finding; the rule for `member-down` is named `EtcdMemberDown`.
    ///   - severity: The severity; nil for that of the finding's verdict.
    ///   - hold: How long the finding must last before an alert fires.
    ///   - keepsFiringFor: How long an alert keeps firing after the finding has ended.
    /// - Returns: The rule.
    public static func finding(
        _ code: Finding.Code,
        severity: AlertSeverity? = nil,
        holdsFor hold: Duration = .zero,
        keepsFiringFor: Duration = .zero
    ) -> AlertRule {
        AlertRule(name(of: code), severity: severity, holdsFor: hold, keepsFiringFor: keepsFiringFor) { snapshot in
            if snapshot.poll == 0 { return nil }
            // Without polls, the monitor knows nothing new except that.
            if snapshot.isStale && code != .monitorStale { return nil }
            return snapshot.findings.filter { $0.code == code }.map(Match.init)
        }
    }

    /// The name of the rule for one kind of finding: `EtcdMemberDown` for `member-down`.
    ///
    /// - Parameter code: The kind of finding.
    /// - Returns: The name.
    public static func name(of code: Finding.Code) -> String {
        "Etcd" + code.rawValue.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
    }

    /// Always fires while the monitor polls the cluster.
    ///
    /// A receiver that expects it at regular intervals detects a dead monitor.
    public static let watchdog = AlertRule("EtcdMonitorWatchdog", severity: .info) { snapshot in
        if snapshot.poll == 0 { return nil }
        if snapshot.isStale { return [] }
        return [
            Match(
                summary: "The monitor polls \(snapshot.cluster)",
                description: "This alert always fires. If it stops arriving, the monitor or the path from it is down.",
                runbook: "Docs/Monitoring.md#monitor-watchdog"
            )
        ]
    }
}

extension MonitorSnapshot {
    /// Whether no poll has finished for a while.
    var isStale: Bool { findings.contains { $0.code == .monitorStale } }
}

extension AlertRule.Match {
    /// The match for a finding.
    fileprivate init(_ finding: Finding) {
        var labels = ["code": finding.code.rawValue]
        labels["member"] = finding.memberID
        if !finding.id.subject.isEmpty, finding.id.subject != finding.memberID {
            labels["subject"] = finding.id.subject
        }
        self.init(
            labels: labels,
            severity: AlertSeverity(finding.verdict),
            summary: finding.summary,
            description: "\(finding.code.meaning) \(finding.advice)",
            runbook: finding.runbook,
            figures: finding.evidence
        )
    }
}
