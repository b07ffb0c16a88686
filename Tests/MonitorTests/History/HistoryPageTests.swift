// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

/// The page is true.
@Suite("Docs/History.md", .cluster, .timeLimit(.minutes(1)))
struct HistoryPageTests {
    private static let path = Repository.url("Docs/History.md")

    @Test(
        "each of its queries gives the right answer",
        .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed")
    )
    func questions() async throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        let questions = page.matches(of: /```sql\n((?:.*\n)*?)```/).map { String($0.output.1) }
        #expect(questions.count == 5)
        // Twenty days with a poll each hour, of which the last is today's first.
        let today = (Date().timeIntervalSince1970 / 86_400).rounded(.down) * 86_400
        let start = Date(timeIntervalSince1970: today - 20 * 86_400)
        let snapshots = (0...480).map { hour in
            var snapshot = MonitorSnapshot.sample(hour, cluster: "prod-eu")
            snapshot.time = start + Double(hour) * 3600
            snapshot.metrics[.databaseInUseBytes] = Double(hour) * 1000
            if (100..<112).contains(hour) {
                snapshot.findings = [Finding(Finding.ID(.quorumLost), .critical, "Lost.", since: start + 100 * 3600)]
            }
            if (106..<124).contains(hour) {
                snapshot.findings.append(Finding(Finding.ID(.noLeader), .critical, "None.", since: start + 106 * 3600))
            }
            if hour > 470 {
                snapshot.findings.append(
                    Finding(Finding.ID(.memberDown, "b2"), .critical, "It is down.", since: start + 471 * 3600)
                )
            }
            if hour >= 124 {
                snapshot.leaderHistory = [
                    LeaderChange(time: start + 124 * 3600, from: nil, to: "b2", term: 9),
                    LeaderChange(time: start + 106 * 3600, from: "a1", to: nil, term: 8),
                ]
            }
            return snapshot
        }
        try await PostgresServer.run { server in
            var options = PostgresHistorySink.Options()
            options.retention = nil
            let sink = PostgresHistorySink(Secret(server.connection), options)
            for index in stride(from: 0, to: snapshots.count, by: 60) {
                try await sink.write(Array(snapshots[index..<min(index + 60, snapshots.count)]))
            }
            try await server.query("ALTER DATABASE \(server.database) SET timezone = 'UTC'")
            func answer(_ word: String) async throws -> [[String]] {
                try await server.query(try #require(questions.first { $0.contains(word) }))
            }
            let slow = try await answer("percentile_cont")
            #expect(slow.count == 21 * 3)
            #expect(slow.first?[1] == "a1")
            let p99 = try #require(slow.first.flatMap { Double($0[2]) })
            #expect(abs(p99 - 0.02277) < 1e-9)
            #expect(slow.first?[3] == "0.023")
            let growth = try await answer("growth_bytes").compactMap { Double($0[1]) }
            // Within a week: the gaps between weeks belong to neither.
            let total = growth.reduce(0, +)
            let expected = 480_000 - Double(growth.count - 1) * 1000
            #expect(total == expected)
            #expect(growth.contains(167_000))
            // From hour 100 to hour 124, of 480.
            #expect(try await answer("available_percent") == [["95.000"]])
            let changes = try await answer("AS changes")
            #expect(changes.map { $0[1] } == ["1"])
            #expect(
                changes.first?.first?.hasPrefix(start.addingTimeInterval(5 * 86_400).ISO8601Format().prefix(10)) == true
            )
            let lasting = try await answer("AS lasted")
            #expect(lasting.map { Array($0[1...]) } == [["09:00:00", "critical", "member-down", "b2", "It is down."]])
        }
    }

    @Test("states the size of a day", .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed"))
    func cost() async throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        // The page speaks of three members.
        let said = try #require(page.firstMatch(of: /takes about (\d+) MB a day/).flatMap { Double($0.output.1) })
        try await withEtcdCluster(EtcdCluster.Options(memberCount: 3)) { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                var monitorOptions = ClusterMonitor.Options()
                monitorOptions.interval = .milliseconds(200)
                let monitor = try ClusterMonitor(client, monitorOptions)
                let polling = Task { try await monitor.run() }
                #expect(await eventually { monitor.snapshot.poll >= 10 })
                polling.cancel()
                try await polling.value
                let snapshot = monitor.snapshot
                let figures = snapshot.history.count
                #expect(snapshot.members.count == 3)
                let waiting = try memory(of: snapshot, copies: 720)
                print("\(waiting) bytes for 720 polls that wait")
                #expect(waiting < 20 << 20)
                try await PostgresServer.run { server in
                    let sink = PostgresHistorySink(Secret(server.connection))
                    let polls = 1200
                    for first in stride(from: 0, to: polls, by: 60) {
                        try await sink.write(
                            (first..<first + 60).map { poll in
                                var copy = snapshot
                                copy.time = snapshot.time + Double(poll) * 5
                                return copy
                            }
                        )
                    }
                    let bytes = try await server.number(
                        """
                        SELECT sum(pg_total_relation_size(oid)) FROM pg_class
                        WHERE relnamespace = 'etcd_monitor'::regnamespace AND relkind = 'r'
                        """
                    )
                    let day = bytes / Double(polls) * 17_280 / 1e6
                    print("\(figures) figures, \(Int(bytes) / polls) bytes a poll, \(day) MB a day")
                    #expect((said * 0.7...said * 1.3).contains(day))
                }
            }
        }
    }

    /// The memory of copies of a snapshot that share nothing.
    private func memory(of snapshot: MonitorSnapshot, copies: Int) throws -> Int {
        let bytes = try JSONEncoder().encode(snapshot)
        func resident() throws -> Int {
            let text = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8)
            return try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) }) * Int(getpagesize())
        }
        var kept = [try JSONDecoder().decode(MonitorSnapshot.self, from: bytes)]
        let before = try resident()
        while kept.count < copies { kept.append(try JSONDecoder().decode(MonitorSnapshot.self, from: bytes)) }
        let after = try resident()
        #expect(kept.allSatisfy { $0.poll == snapshot.poll })
        return after - before
    }

    @Test("its code starts a monitor")
    func snippets() async throws {
        let client = try EtcdClient(endpoints: "127.0.0.1:1")
        #expect(try HistorySnippets.options(client).options.historySinks.map(\.name) == ["postgres"])
        try await PrintingSink().write([.sample(1)])
        await client.close()
    }

    @Test("its settings are read, and the secret stays in its file")
    func settings() throws {
        try withFiles(["database": "host=h password=s3cret\n"]) { folder in
            let arguments = ["--endpoints=a", "--history-postgres-file=\(folder)/database", "--history-retention=48h"]
            let cluster = try #require(try Settings(arguments, environment: [:]).clusters.first)
            #expect(cluster.historyPostgres == .file("\(folder)/database"))
            #expect(cluster.historyRetention == .seconds(172_800))
            #expect(cluster.historySinks.map(\.name) == ["postgres"])
            let other = try Settings(
                ["--endpoints=a", "--history-retention=0"],
                environment: ["ETCD_MONITOR_HISTORY_POSTGRES": "host=h password=s3cret"]
            )
            let found = try #require(other.clusters.first)
            #expect(found.historyPostgres == Secret("host=h password=s3cret"))
            #expect(found.historyRetention == nil)
            var dumped = ""
            dump(other, to: &dumped)
            dump(found.historySinks, to: &dumped)
            for text in ["\(other)", "\(found)", dumped] { #expect(!text.contains("s3cret")) }
            let missing = message {
                try Settings(["--endpoints=a", "--history-postgres-file=/nowhere"], environment: [:])
            }
            #expect(missing == "--history-postgres-file: /nowhere cannot be read")
            #expect(try Settings(["--endpoints=a"], environment: [:]).clusters.first?.historySinks.isEmpty == true)
        }
    }
}
