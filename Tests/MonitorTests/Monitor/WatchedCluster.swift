// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A real cluster with a monitor that looks at it every second.
struct WatchedCluster {
    let cluster: EtcdCluster
    let client: EtcdClient
    let monitor: ClusterMonitor

    /// Starts a cluster and a monitor, lends them to `body` once the monitor finds it healthy, and removes them.
    static func run(
        _ change: (inout EtcdCluster.Options, inout ClusterMonitor.Options) throws -> Void = { _, _ in },
        expecting codes: Set<Finding.Code> = [],
        client configure: (inout EtcdClient.Configuration) throws -> Void = { _ in },
        _ body: (WatchedCluster) async throws -> Void
    ) async throws {
        var options = EtcdCluster.Options(memberCount: 3)
        var monitorOptions = ClusterMonitor.Options()
        monitorOptions.interval = .seconds(1)
        try change(&options, &monitorOptions)
        try await withEtcdCluster(options) { cluster in
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            try configure(&configuration)
            try await withEtcdClient(configuration) { client in
                let monitor = try ClusterMonitor(client, monitorOptions)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { try await monitor.run() }
                    let watched = WatchedCluster(cluster: cluster, client: client, monitor: monitor)
                    // The control: nothing is found before the fault.
                    try await watched.expect("at first", codes, within: 3)
                    try await body(watched)
                    group.cancelAll()
                }
            }
        }
    }

    /// Does something to the cluster, and expects that exactly these findings are raised within so many polls, and no other
    /// on the way.
    ///
    /// A poll counts if it began after `action` had ended. The findings then have to last for `lasting` more polls.
    func expect(
        _ title: String,
        _ codes: Set<Finding.Code>,
        within polls: Int = 2,
        lasting: Int = 3,
        sourceLocation: SourceLocation = #_sourceLocation,
        after action: () async throws -> Void = {}
    ) async throws {
        let allowed = Set(monitor.snapshot.findings.map(\.code)).union(codes)
        try await action()
        let start = Date()
        var count = 0
        var reached: Int?
        for await snapshot in monitor.snapshots where snapshot.time >= start {
            count += 1
            let found = Set(snapshot.findings.map(\.code))
            let others = snapshot.findings.filter { !allowed.contains($0.code) }
            #expect(others.isEmpty, "\(title), poll \(count): \(others.map(\.summary))", sourceLocation: sourceLocation)
            if found == codes {
                reached = reached ?? count
                if let reached, count >= reached + lasting { break }
            } else if let reached {
                Issue.record(
                    "\(title): raised at poll \(reached), but \(found) at poll \(count)",
                    sourceLocation: sourceLocation
                )
                break
            } else if count > polls + 10 {
                break
            }
        }
        let names = codes.map(\.rawValue).sorted().joined(separator: ", ")
        print("| \(title) | \(names.isEmpty ? "none" : names) | \(reached.map { "\($0)" } ?? "never") |")
        let details = monitor.snapshot.findings.map { "\($0.id) \($0.summary) \($0.evidence)" }
        let late = "\(title): \(codes) after \(reached.map { "\($0)" } ?? "no") polls, now \(details)"
        #expect(reached.map { $0 <= polls } == true, "\(late)", sourceLocation: sourceLocation)
    }

    /// The member that leads, by the monitor's own view.
    func leader() throws -> EtcdMember {
        let name = try #require(monitor.snapshot.leader?.name)
        return try #require(cluster.members.first { $0.name == name })
    }

    /// The members that do not lead.
    func followers() throws -> [EtcdMember] {
        let leader = try leader()
        return cluster.members.filter { $0 !== leader }
    }

    /// A member in the monitor's own view.
    func seen(_ member: EtcdMember) throws -> MemberSnapshot {
        try #require(monitor.snapshot.members.first { $0.name == member.name })
    }
}
