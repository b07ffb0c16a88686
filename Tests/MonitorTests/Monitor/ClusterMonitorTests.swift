// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

@Suite("ClusterMonitor", .unit, .timeLimit(.minutes(1)))
struct ClusterMonitorTests {
    @Test func `While no poll ends, the newest snapshot comes again with the finding monitor-stale`() async throws {
        let gate = CallGate(isOpen: true)
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        configuration.interceptors = [gate]
        var options = ClusterMonitor.Options()
        (options.interval, options.timeout) = (.milliseconds(100), .milliseconds(500))
        try await withEtcdClient(configuration) { [options] client in
            let monitor = try ClusterMonitor(client, options)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { try await monitor.run() }
                _ = try await first(of: monitor) { $0.poll > 0 }
                gate.close()
                let stale = try await first(of: monitor) { $0.isStale }
                #expect(monitor.snapshot.isStale && !monitor.isLive)
                let later = try await first(of: monitor) { Self.silence(of: $0) > Self.silence(of: stale) }
                #expect(later.poll == stale.poll && later.verdict >= .unknown)
                #expect(later.findings.count { $0.code == .monitorStale } == 1)
                gate.open()
                let next = try await first(of: monitor) { !$0.isStale }
                #expect(next.poll == stale.poll + 1)
                group.cancelAll()
            }
        }
    }

    private static func silence(of snapshot: MonitorSnapshot) -> Double {
        snapshot.findings.first { $0.code == .monitorStale }?.evidence["silence_seconds"] ?? 0
    }

    private func first(
        of monitor: ClusterMonitor,
        where condition: (MonitorSnapshot) -> Bool
    ) async throws -> MonitorSnapshot {
        for await snapshot in monitor.snapshots where condition(snapshot) { return snapshot }
        throw CancellationError()
    }

    @Test func `Intervals that are too short are refused`() throws {
        var options = ClusterMonitor.Options()
        (options.interval, options.hashInterval) = (.milliseconds(100), .milliseconds(100))
        _ = try options.checked()
        options.hashInterval = .milliseconds(99)
        var error = #expect(throws: EtcdError.self) { _ = try options.checked() }
        #expect(error?.code == .invalidArgument)
        #expect(error?.message == "hashInterval is 0.099 seconds, but must be at least 0.1 seconds")
        options.interval = .milliseconds(99)
        error = #expect(throws: EtcdError.self) { _ = try options.checked() }
        #expect(error?.message == "interval is 0.099 seconds, but must be at least 0.1 seconds")
        options = ClusterMonitor.Options()
        options.timeout = .zero
        error = #expect(throws: EtcdError.self) { _ = try options.checked() }
        #expect(error?.message == "timeout is 0.0 seconds, but must be longer than zero")
    }
}
