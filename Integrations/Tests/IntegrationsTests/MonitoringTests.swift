// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdLogging
import EtcdMonitorKit
import EtcdMonitoring
import EtcdServiceLifecycle
import EtcdTesting
import Foundation
import InMemoryLogging
import Logging
import Testing

@Suite("EtcdMonitoring", .timeLimit(.minutes(2)))
struct MonitoringTests {
    @Test("EtcdService.monitor logs a new finding, and its end")
    func findings() async throws {
        let handler = InMemoryLogHandler()
        var logger = Logger(label: "test") { _ in handler }
        logger.logLevel = .trace
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                var options = ClusterMonitor.Options()
                options.interval = .milliseconds(200)
                options.timeout = .milliseconds(500)
                let monitor = try ClusterMonitor(client, options)
                try await withServices([EtcdService.monitor(monitor, logger: logger)]) { _ in
                    try await eventually { monitor.snapshot.poll > 2 }
                    await cluster.members[2].kill()
                    func isOfMember(_ entry: InMemoryLogHandler.Entry) -> Bool {
                        entry.metadata["etcd.finding"].map { "\($0)".hasPrefix("member-down") } ?? false
                    }
                    try await eventually { handler.entries.contains { isOfMember($0) && $0.level >= .warning } }
                    try await cluster.members[2].restart()
                    try await eventually {
                        handler.entries.contains { isOfMember($0) && "\($0.message)".hasPrefix("resolved: ") }
                    }
                    // Once for each change, not once for each poll.
                    #expect(handler.entries.count { isOfMember($0) } <= 6)
                }
            }
        }
    }

    @Test("AlertCenter.Event has lines for the log")
    func alerts() {
        let handler = InMemoryLogHandler()
        let logger = Logger(label: "test") { _ in handler }
        let record = AuditRecord(actor: "ann", action: "silence.add", subject: "s1", detail: "a silence")
        logger.log(AlertCenter.Event.audited(record))
        logger.log(AlertCenter.Event.stateNotSaved(reason: "the disk is full"))
        #expect(handler.entries.map(\.level) == [.notice, .error])
        #expect(handler.entries.first?.metadata["etcd.actor"] == "ann")

        handler.clear()
        for severity in AlertSeverity.allCases {
            let match = AlertRule.Match(summary: "it is so", description: "and means that")
            var alert = Alert("A", cluster: "c", match, severity: severity, since: Date())
            for state in Alert.State.allCases {
                alert.state = state
                logger.log(AlertCenter.Event.changed(alert))
            }
        }
        let levels: [Logger.Level] = [.info, .info, .info, .notice, .warning, .notice, .notice, .critical, .notice]
        #expect(handler.entries.map(\.level) == levels)
    }
}
