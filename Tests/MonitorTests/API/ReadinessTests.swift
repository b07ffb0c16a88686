// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct ReadinessTests {
    /// The effect of one change of a healthy cluster on one check; no other check changes.
    struct Case: Sendable, CustomStringConvertible {
        let check: String
        let outcome: ReadinessReport.Outcome
        let change: @Sendable (inout MonitorSnapshot) -> Void
        var description: String { "\(check) \(outcome)" }

        init(
            _ check: String,
            _ outcome: ReadinessReport.Outcome,
            _ change: @escaping @Sendable (inout MonitorSnapshot) -> Void
        ) {
            self.check = check
            self.outcome = outcome
            self.change = change
        }

        /// A change of a figure of the first member.
        static func figure(
            _ check: String,
            _ outcome: ReadinessReport.Outcome,
            _ figure: Figure,
            _ value: Double?
        ) -> Case {
            Case(check, outcome) { $0.members[0].metrics[figure] = value }
        }
    }

    private static var fit: MonitorSnapshot {
        var snapshot = MonitorSnapshot.sample()
        snapshot.findings = []
        return snapshot
    }

    @Test func `A healthy cluster passes every check, and gets no advice`() {
        let report = ReadinessReport(Self.fit)
        #expect(report.outcome == .pass && report.cluster == "main" && report.time == Self.fit.time)
        for check in report.checks { #expect(check.outcome == .pass && check.advice == nil, "\(check)") }
        #expect(Set(report.checks.map(\.id)).count == report.checks.count)
    }

    @Test func `Without data about a cluster, every check is unknown`() {
        for check in ReadinessReport(MonitorSnapshot()).checks {
            #expect(check.outcome == .unknown && check.advice != nil && !check.evidence.isEmpty, "\(check)")
        }
    }

    @Test(arguments: [
        Case("voter-count", .fail) { $0.quorum.voters = 1 },
        Case("voter-count", .fail) { $0.quorum.voters = 2 },
        Case("voter-count", .warn) { $0.quorum.voters = 4 },
        Case("voter-count", .pass) { $0.quorum.voters = 7 },
        Case("voter-count", .warn) { $0.quorum.voters = 9 },
        Case("endpoints-reachable", .fail) {
            $0.members[1].probes["status"] = ProbeResult(failure: ProbeFailure(.refused, "nothing listens"))
        },
        Case("one-version", .warn) { $0.members[2].version = "3.5.9" },
        Case("one-version", .unknown) { for index in 0..<3 { $0.members[index].version = nil } },
        Case("no-leftovers", .warn) { $0.members[2].role = .learner },
        Case("no-leftovers", .warn) { $0.members[2].role = .unstarted },
        Case("clock-spread", .warn) { $0.members[2].clockOffsetSeconds = -1.8 },
        Case("clock-spread", .pass) { $0.members[2].clockOffsetSeconds = -1.7 },
        Case("tls", .fail) { $0.members[0].usesTLS = false },
        Case("tls", .unknown) { $0.members[0].usesTLS = nil },
        Case("certificate-expiry", .warn) { $0.members[0].certificates[0].notAfter = $0.time + 29 * 86_400 },
        Case("certificate-expiry", .fail) { $0.members[2].certificates[0].notAfter = $0.time + 6 * 86_400 },
        Case("certificate-expiry", .unknown) { for index in 0..<3 { $0.members[index].certificates = [] } },
        Case("auth", .warn) { $0.isAuthEnabled = false },
        Case("auth", .unknown) { $0.isAuthEnabled = nil },
        Case("monitor-rights", .warn) {
            $0.members[0].probes["raft"] = ProbeResult(failure: ProbeFailure(.unauthorized, "permission denied"))
        },
        Case("no-alarms", .fail) {
            $0.findings = [Finding(.init(.alarmNoSpace), .critical, "No space.", since: $0.time)]
        },
        Case("no-alarms", .unknown) { for index in 0..<3 { $0.members[index].probes["status"] = nil } },
        .figure("quota-set", .warn, .databaseQuotaBytes, 2_147_483_648),
        .figure("quota-set", .warn, .databaseQuotaBytes, 8_589_934_592),
        Case("quota-set", .warn) { for index in 0..<3 { $0.members[index].metrics[.databaseQuotaBytes] = 17e9 } },
        Case("quota-set", .unknown) { for index in 0..<3 { $0.members[index].metrics[.databaseQuotaBytes] = nil } },
        .figure("quota-room", .pass, .quotaUsedRatio, 0.74),
        .figure("quota-room", .warn, .quotaUsedRatio, 0.76),
        .figure("quota-room", .fail, .quotaUsedRatio, 0.86),
        .figure("quota-room", .unknown, .quotaUsedRatio, nil),
        Case("auto-compaction", .unknown) {
            for index in 0..<3 { $0.members[index].compactedAt = nil }
            $0.members[0].revision = 20_000
        },
        Case("auto-compaction", .pass) { $0.members[0].revision = 2_000_000 },
        Case("auto-compaction", .warn) {
            for index in 0..<3 { $0.members[index].compactedAt = $0.time - 7201 }
            $0.members[0].revision = 20_000
        },
        Case("auto-compaction", .warn) {
            for index in 0..<3 { $0.members[index].compactedAt = nil }
            $0.members[0].revision = 2_000_000
        },
        Case("auto-compaction", .unknown) { for index in 0..<3 { $0.members[index].compactRevision = nil } },
        Case("fragmentation", .warn) {
            $0.members[0].metrics[.databaseBytes] = 1e9
            $0.members[0].metrics[.databaseInUseBytes] = 5e8
        },
        .figure("fragmentation", .pass, .databaseInUseBytes, 1e5),
        .figure("file-descriptors", .warn, .openFiles, 60_000),
        .figure("file-descriptors", .unknown, .maximumOpenFiles, 0),
        .figure("fsync", .warn, .fsyncP99Seconds, 0.02),
        .figure("fsync", .fail, .fsyncP99Seconds, 0.2),
        .figure("commit", .warn, .commitP99Seconds, 0.03),
        .figure("commit", .fail, .commitP99Seconds, 0.3),
        .figure("round-trip", .warn, .peerRoundTripP99Seconds, 0.06),
        .figure("round-trip", .fail, .peerRoundTripP99Seconds, 0.2),
    ])
    func `One fault fails one check`(_ example: Case) {
        var snapshot = Self.fit
        example.change(&snapshot)
        let report = ReadinessReport(snapshot)
        #expect(report.checks.first { $0.id == example.check }?.outcome == example.outcome)
        #expect(report.outcome == example.outcome)
        for check in report.checks where check.id != example.check { #expect(check.outcome == .pass, "\(check)") }
        let check = report.checks.first { $0.id == example.check }
        #expect((check?.advice == nil) == (example.outcome == .pass))
    }

    @Test func `The evidence names the members`() {
        var snapshot = Self.fit
        snapshot.members[0].metrics[.fsyncP99Seconds] = 1.25
        snapshot.members[1].metrics[.fsyncP99Seconds] = nil
        snapshot.members[2].name = ""
        let check = ReadinessReport(snapshot).checks.first { $0.id == "fsync" }
        #expect(check?.evidence == "etcd-1 1.2 s, 3 2.0 ms; 1 of 3 members do not report it")
    }
}
