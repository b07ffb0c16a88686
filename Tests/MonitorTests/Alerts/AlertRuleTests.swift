// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("AlertRule", .unit, .timeLimit(.minutes(1))) struct AlertRuleTests {
    @Test func `Each kind of finding has a rule of its own`() {
        #expect(AlertRule.findings.count == Finding.Code.allCases.count)
        #expect(Set(AlertRule.findings.map(\.name)).count == Finding.Code.allCases.count)
        #expect(AlertRule.name(of: .memberDown) == "EtcdMemberDown")
        #expect(AlertRule.name(of: .alarmNoSpace) == "EtcdAlarmNoSpace")
    }

    @Test func `A finding is an alert with its member, its figures and its runbook`() throws {
        let snapshot = MonitorSnapshot.sample()
        let match = try #require(AlertRule.finding(.slowFsync).matches(snapshot)?.first)
        #expect(match.labels == ["code": "slow-fsync", "member": "1"])
        #expect(match.severity == .warning)
        #expect(match.summary == "The disk of etcd-1 is slow.")
        #expect(match.figures == ["p99_seconds": 0.2])
        #expect(match.runbook == "Docs/Monitoring.md#slow-fsync")
        #expect(match.description.hasPrefix(Finding.Code.slowFsync.meaning))
        #expect(AlertRule.finding(.memberDown).matches(snapshot) == [])
    }

    @Test func `A subject that is not a member is a label of its own`() throws {
        var snapshot = MonitorSnapshot.sample()
        snapshot.findings = [Finding(.init(.linkDown, "1>2"), .degraded, "", since: snapshot.time)]
        #expect(
            AlertRule.finding(.linkDown).matches(snapshot)?.first?.labels == ["code": "link-down", "subject": "1>2"]
        )
    }

    @Test func `Before the first poll, and when the monitor has no data, the state of alerts is unknown`() {
        var snapshot = MonitorSnapshot.sample("main", poll: 0)
        #expect(AlertRule.finding(.slowFsync).matches(snapshot) == nil)
        #expect(AlertRule.watchdog.matches(snapshot) == nil)
        snapshot.poll = 3
        #expect(AlertRule.watchdog.matches(snapshot)?.count == 1)
        snapshot.findings.append(Finding(.init(.monitorStale), .unknown, "", since: snapshot.time))
        #expect(AlertRule.finding(.slowFsync).matches(snapshot) == nil)
        #expect(AlertRule.finding(.monitorStale).matches(snapshot)?.count == 1)
        // Other systems notice its absence.
        #expect(AlertRule.watchdog.matches(snapshot) == [])
    }

    @Test func `A figure of the cluster is compared with a limit`() throws {
        var snapshot = MonitorSnapshot.sample()
        let above = AlertRule.threshold("Big", .databaseBytes, .above(999_999.5), severity: .critical, runbook: "here")
        let match = try #require(above.matches(snapshot)?.first)
        #expect(match.severity == .critical)
        #expect(match.summary == "database_bytes: 1000000, above the limit of 999999.5")
        #expect(match.figures == ["database_bytes": 1e6, "limit": 999_999.5])
        #expect(match.runbook == "here")
        #expect(AlertRule.threshold("Big", .databaseBytes, .above(1e6)).matches(snapshot) == [])
        #expect(AlertRule.threshold("Small", .databaseBytes, .below(1e6)).matches(snapshot) == [])
        #expect(AlertRule.threshold("Small", .databaseBytes, .below(1e7)).matches(snapshot)?.count == 1)
        snapshot.metrics[.databaseBytes] = nil
        #expect(above.matches(snapshot)?.map(\.isUnknown) == [true])
        snapshot.metrics[.databaseBytes] = .nan
        #expect(above.matches(snapshot)?.map(\.isUnknown) == [true])
        snapshot.metrics[.databaseBytes] = .infinity
        #expect(above.matches(snapshot)?.map(\.isUnknown) == [false])
    }

    @Test func `A figure of each member is compared with a limit, and a member without it is unknown`() {
        var snapshot = MonitorSnapshot.sample()
        let rule = AlertRule.threshold("Big", .openFiles, of: .member, .above(40), summary: "Many files")
        snapshot.members[1].metrics[.openFiles] = 10
        snapshot.members[2].metrics[.openFiles] = nil
        let matches = rule.matches(snapshot) ?? []
        #expect(matches.map(\.labels) == [["member": "1"], ["member": "3"]])
        #expect(matches.map(\.isUnknown) == [false, true])
        #expect(matches.first?.summary == "Many files at etcd-1: 50, above the limit of 40")
    }

    @Test func `Findings of a verdict have a severity`() {
        let severities = Verdict.allCases.map { "\($0) \(AlertSeverity($0))" }
        #expect(severities == ["ok info", "unknown warning", "degraded warning", "critical critical"])
        #expect(AlertSeverity.allCases.sorted() == [.info, .warning, .critical])
    }
}
