// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

/// The tests on a real PostgreSQL.
@Suite(
    "History in PostgreSQL",
    .cluster,
    .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed"),
    .timeLimit(.minutes(2))
)
struct PostgresHistorySinkTests {
    private func sink(
        _ connection: String,
        _ change: (inout PostgresHistorySink.Options) -> Void = { _ in }
    ) -> PostgresHistorySink {
        var options = PostgresHistorySink.Options()
        options.retention = nil
        change(&options)
        return PostgresHistorySink(Secret(connection), options)
    }

    private func failure(_ write: () async throws(HistorySinkError) -> Void) async -> String? {
        do throws(HistorySinkError) { try await write() } catch { return error.message }
        return nil
    }

    /// The number of the samples, and how many of them are wrong.
    private func check(_ server: PostgresServer, polls: Int, sourceLocation: SourceLocation = #_sourceLocation)
        async throws
    {
        let rows = try await server.query(
            """
            SELECT count(*), count(DISTINCT (cluster, member, figure, time)),
                count(*) FILTER (WHERE extract(epoch FROM time) <> 1790000000.25 + 5 * CASE figure
                    WHEN 'keys' THEN value ELSE round(value::numeric * 1000) END)
            FROM etcd_monitor.figures
            """
        )
        let count = String(polls * MonitorSnapshot.sampleFigures)
        #expect(rows == [[count, count, "0"]], sourceLocation: sourceLocation)
        let seen = try await server.number("SELECT count(*) FROM etcd_monitor.polls")
        #expect(seen == Double(polls), sourceLocation: sourceLocation)
    }

    @Test("keeps figures, polls, findings and changes of the leader once, however often they come")
    func once() async throws {
        try await PostgresServer.run { server in
            let sink = sink(server.connection)
            let start = Date(timeIntervalSince1970: 1_790_000_000.25)
            func down(_ verdict: Verdict) -> [Finding] {
                [Finding(Finding.ID(.memberDown, "b2"), verdict, "It is down (\(verdict)).", since: start + 10)]
            }
            var snapshots = (1...10).map { poll in
                let findings = (2...5).contains(poll) ? down(poll == 3 ? .critical : .degraded) : []
                return MonitorSnapshot.sample(poll, findings: findings)
            }
            for index in snapshots.indices.dropFirst(5) {
                snapshots[index].leaderHistory = [LeaderChange(time: start + 27, from: "a1", to: nil, term: .max)]
            }
            for batch in [snapshots[..<4], snapshots[..<4], snapshots[2...], snapshots[...]] {
                try await sink.write(Array(batch))
            }
            try await check(server, polls: 10)
            let findings = try await server.query(
                """
                SELECT cluster, code, subject, verdict, summary, extract(epoch FROM began)::numeric(12, 2),
                    extract(epoch FROM ended)::numeric(12, 2) FROM etcd_monitor.findings
                """
            )
            #expect(
                findings == [
                    [
                        "c", "member-down", "b2", "critical", "It is down (degraded).", "1790000010.25",
                        "1790000030.25",
                    ]
                ]
            )
            let changes = try await server.query("SELECT old_leader, new_leader, term FROM etcd_monitor.leader_changes")
            #expect(changes == [["a1", "", "18446744073709551615"]])
            let newest = try await server.query(
                "SELECT verdict, seconds, voters, leader, term FROM etcd_monitor.polls ORDER BY time DESC LIMIT 1"
            )
            #expect(newest == [["ok", "0.01", "3", "a1", "7"]])
        }
    }

    @Test("a finding that a restarted monitor finds again is a new one, and the old one is over")
    func restart() async throws {
        try await PostgresServer.run { server in
            func snapshot(_ poll: Int, since: Int) -> MonitorSnapshot {
                let start = Date(timeIntervalSince1970: 1_790_000_000.25)
                let id = Finding.ID(.noLeader)
                return .sample(poll, findings: [Finding(id, .critical, "None.", since: start + Double(since) * 5)])
            }
            try await sink(server.connection).write([snapshot(1, since: 1), snapshot(2, since: 1)])
            #expect(try await server.number("SELECT count(*) FROM etcd_monitor.findings WHERE ended IS NULL") == 1)
            try await sink(server.connection).write([snapshot(9, since: 9)])
            let rows = try await server.query(
                """
                SELECT (extract(epoch FROM began) - 1790000000.25)::integer / 5,
                    (extract(epoch FROM ended) - 1790000000.25)::integer / 5
                FROM etcd_monitor.findings ORDER BY began
                """
            )
            #expect(rows == [["1", "9"], ["9", ""]])
        }
    }

    @Test("hostile texts and figures are stored, and break nothing")
    func hostile() async throws {
        try await PostgresServer.run { server in
            let texts = [
                "a\tb\nc\rd", "\\.", "\n\\.\n", "\\\\N", "\\", "'; DROP SCHEMA etcd_monitor; --", "$$", ":timescale",
                "\u{1b}[31m", "\u{0}x\u{0}", "\"{}\"", "é\u{301}😀\u{202e}", "\\u0000", "",
                String(repeating: "😀", count: 3000),
            ]
            let sink = sink(server.connection)
            let start = Date()
            for text in texts {
                var snapshot = MonitorSnapshot.sample(1, cluster: text, start: start)
                snapshot.findings = [Finding(Finding.ID(.memberDown, text), .critical, text, since: start)]
                snapshot.members[0].id = text.isEmpty ? "m" : text
                snapshot.leader?.memberID = text
                snapshot.metrics = [.keys: .nan, .cpuCores: .infinity, .memoryBytes: -.infinity, .databaseBytes: 1]
                snapshot.members[0].metrics = [
                    .keys: .greatestFiniteMagnitude, .cpuCores: .leastNonzeroMagnitude, .memoryBytes: -0.0,
                    .databaseBytes: 0.1 + 0.2,
                ]
                snapshot.pollSeconds = .nan
                snapshot.leaderHistory = [LeaderChange(time: .distantFuture, from: text, to: text, term: 1)]
                var timeless = snapshot
                timeless.time = Date(timeIntervalSince1970: .infinity)
                var eternal = snapshot
                eternal.findings = [Finding(Finding.ID(.cpu), .ok, "x", since: Date(timeIntervalSince1970: .nan))]
                try await sink.write([snapshot, timeless, eternal])
            }
            let clusters = Set(texts.map { $0.replacing("\0", with: "").unicodeScalars.prefix(200).count })
            let lengths = try await server.query("SELECT DISTINCT length(cluster) FROM etcd_monitor.findings")
            #expect(Set(lengths.compactMap { $0.first.flatMap { Int($0) } }) == clusters)
            let kept = try await server.number("SELECT count(DISTINCT cluster) FROM etcd_monitor.polls")
            #expect(Int(kept) == texts.count)
            for (text, length) in [("a\tb\nc\rd", 7), ("\\.", 2)] {
                let encoded = text.utf8.map { String(format: "%02x", $0) }.joined()
                let found = try await server.query(
                    """
                    SELECT length(subject), summary = cluster, member FROM etcd_monitor.findings
                    WHERE cluster = convert_from('\\x\(encoded)', 'UTF8') AND code = 'member-down'
                    """
                )
                #expect(found == [["\(length)", "t", ""]])
            }
            let sums = try await server.query(
                """
                SELECT figure, count(*), min(value) = max(value), max(value) FROM etcd_monitor.figures
                WHERE member NOT IN ('b2', 'c3', '') AND figure <> 'fsync_p99_seconds' GROUP BY 1 ORDER BY 1
                """
            )
            let count = "\(texts.count)"
            #expect(
                sums == [
                    ["cpu_cores", count, "t", "5e-324"], ["database_bytes", count, "t", "0.30000000000000004"],
                    ["keys", count, "t", "1.7976931348623157e+308"], ["memory_bytes", count, "t", "0"],
                ]
            )
        }
    }

    @Test("several monitors can create the tables at the same time")
    func race() async throws {
        try await PostgresServer.run { server in
            await withTaskGroup(of: String?.self) { group in
                for number in 0..<8 {
                    group.addTask {
                        await failure { () async throws(HistorySinkError) in
                            try await sink(server.connection).write([.sample(1, cluster: "c\(number % 4)")])
                        }
                    }
                }
                for await failure in group { #expect(failure == nil) }
            }
            let polls = try await server.number("SELECT count(*) FROM etcd_monitor.polls")
            let versions = try await server.number("SELECT count(*) FROM etcd_monitor.schema_version")
            #expect(polls == 4)
            #expect(versions == 1)
        }
    }

    @Test("a role without permission to create tables can use existing ones; a newer schema is refused")
    func rights() async throws {
        try await PostgresServer.run { server in
            try await server.query(
                """
                DROP ROLE IF EXISTS writer; CREATE ROLE writer LOGIN PASSWORD 'w'; REVOKE CREATE ON SCHEMA public FROM PUBLIC;
                """
            )
            let connection = "host=127.0.0.1 port=\(server.port) user=writer password=w dbname=\(server.database)"
            let refused = await failure { () async throws(HistorySinkError) in
                try await sink(connection).write([.sample(1)])
            }
            #expect(refused?.hasPrefix("permission denied for database \(server.database)") == true, "\(refused ?? "")")
            try await sink(server.connection).write([.sample(1)])
            try await server.query(
                """
                GRANT USAGE ON SCHEMA etcd_monitor TO writer;
                GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA etcd_monitor TO writer;
                """
            )
            try await sink(connection).write([.sample(2)])
            try await check(server, polls: 2)
            try await server.query("INSERT INTO etcd_monitor.schema_version VALUES (99)")
            let newer = await failure { () async throws(HistorySinkError) in
                try await sink(server.connection).write([.sample(3)])
            }
            #expect(newer?.hasPrefix("the schema etcd_monitor belongs to a newer version of the monitor") == true)
        }
    }

    @Test("tables that were removed are created again")
    func removed() async throws {
        try await PostgresServer.run { server in
            let sink = sink(server.connection)
            try await sink.write([.sample(1)])
            try await server.query("DROP SCHEMA etcd_monitor CASCADE")
            let failure = await failure { () async throws(HistorySinkError) in try await sink.write([.sample(2)]) }
            #expect(failure?.contains("does not exist") == true)
            try await sink.write([.sample(2)])
            #expect(try await server.number("SELECT count(*) FROM etcd_monitor.polls") == 1)
        }
    }
}
