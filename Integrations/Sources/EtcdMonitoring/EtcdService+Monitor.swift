// SPDX-License-Identifier: Apache-2.0

import EtcdLogging
public import EtcdMonitorKit
public import EtcdServiceLifecycle
import Foundation
public import Logging

extension EtcdService {
    /// Runs a monitor until the graceful shutdown, and logs each finding that comes, changes or goes.
    ///
    /// - Parameters:
    ///   - monitor: The monitor.
    ///   - logger: Where to log.
    /// - Returns: The service.
    public static func monitor(_ monitor: ClusterMonitor, logger: Logger) -> EtcdService {
        EtcdService("monitor \(monitor.name)") {
            async let _: Void = logFindings(of: monitor.snapshots, to: logger)
            try await monitor.run()
        }
    }

    private static func logFindings(of snapshots: AsyncStream<MonitorSnapshot>, to logger: Logger) async {
        var known: [Finding.ID: Finding] = [:]
        for await snapshot in snapshots {
            let findings = Dictionary(snapshot.findings.map { ($0.id, $0) }) { first, _ in first }
            for finding in snapshot.findings where known[finding.id]?.verdict != finding.verdict {
                logger.log(FindingEvent.found(finding, cluster: snapshot.cluster))
            }
            for finding in known.values where findings[finding.id] == nil {
                logger.log(FindingEvent.resolved(finding, cluster: snapshot.cluster))
            }
            known = findings
        }
    }
}

/// A finding of a monitor that has come, changed or gone.
private enum FindingEvent: LoggableEvent {
    case found(Finding, cluster: String)
    case resolved(Finding, cluster: String)

    var logLine: LogLine {
        switch self {
        case .found(let finding, let cluster):
            LogLine(
                finding.verdict.logLevel,
                "\(finding.summary)",
                ["etcd.cluster": "\(cluster)", "etcd.finding": "\(finding.id)", "etcd.advice": "\(finding.advice)"]
            )
        case .resolved(let finding, let cluster):
            LogLine(
                .notice,
                "resolved: \(finding.summary)",
                ["etcd.cluster": "\(cluster)", "etcd.finding": "\(finding.id)"]
            )
        }
    }
}

extension Verdict {
    var logLevel: Logger.Level {
        switch self {
        case .ok: .info
        case .unknown: .notice
        case .degraded: .warning
        case .critical: .critical
        }
    }
}
