// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdMonitorKit

/// The sink while its database is away, slow, or refuses.
@Suite(
    "History in PostgreSQL, with faults",
    .cluster,
    .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed"),
    .timeLimit(.minutes(2))
)
struct PostgresFaultTests {
    private func sink(
        _ connection: Secret,
        _ change: (inout PostgresHistorySink.Options) -> Void = { _ in }
    ) -> PostgresHistorySink {
        var options = PostgresHistorySink.Options()
        options.flushInterval = .zero
        options.timeout = .seconds(6)
        change(&options)
        return PostgresHistorySink(connection, options)
    }

    private func failure(_ sink: PostgresHistorySink, _ snapshots: [MonitorSnapshot]) async -> String? {
        do throws(HistorySinkError) { try await sink.write(snapshots) } catch { return error.message }
        return nil
    }

    /// The polls that the database has, in order, and how many figures they have.
    private func polls(_ server: PostgresServer) async throws -> [Int] {
        // One statement, which sees one moment.
        let rows = try await server.query(
            """
            SELECT value::integer, (SELECT count(*) FROM etcd_monitor.samples)
            FROM etcd_monitor.figures WHERE member = '' AND figure = 'keys' ORDER BY time
            """
        )
        for row in rows { #expect(row.last == "\(rows.count * MonitorSnapshot.sampleFigures)") }
        return rows.compactMap { $0.first.flatMap { Int($0) } }
    }

    /// A snapshot of now, which no retention removes.
    private func snapshot(_ poll: Int) -> MonitorSnapshot { .sample(poll, start: Date(timeIntervalSinceNow: -3600)) }

    @Test("each poll arrives once, although the server is frozen, shut down and restarted")
    func outages() async throws {
        try await PostgresServer.runAlone { server in
            let feed = HistoryFeed(
                sink(Secret(server.connection)),
                capacity: 1000,
                backoff: Backoff(initial: .milliseconds(50), maximum: .milliseconds(50))
            )
            let start = Date(timeIntervalSinceNow: -3600)
            let work = Task { await feed.run() }
            let poll = Lock(0)
            let feeding = Task {
                while !Task.isCancelled {
                    let number = poll.withLock { poll in
                        poll += 1
                        return poll
                    }
                    feed.add(.sample(number, start: start))
                    try? await Task.sleep(for: .milliseconds(50))
                }
            }
            #expect(await eventually { (try? await polls(server).isEmpty == false) == true })
            server.signal(SIGSTOP)
            #expect(await eventually { commandLines().contains { $0.contains("--no-psqlrc") } }, "control: psql runs")
            for line in commandLines() where line.contains("s3cret-p") { Issue.record("\(line)") }
            #expect(await eventually { feed.failure?.reason.contains("timeout expired") == true })
            server.signal(SIGCONT)
            #expect(await eventually { feed.failure == nil })
            // A fast shutdown cuts all connections.
            let keeper = try await server.restart {
                #expect(await eventually { feed.failure?.reason.contains("Connection refused") == true })
            }
            #expect(await eventually { feed.failure == nil })
            feeding.cancel()
            await feeding.value
            feed.end()
            await work.value
            #expect(try await polls(server) == Array(1...poll.withLock { $0 }))
            await keeper.stop()
        }
    }

    @Test("a batch whose connection is cut is written once by the next attempt", arguments: [500, 3000, 6000])
    func cuts(bytes: Int) async throws {
        try await PostgresServer.run { server in
            try await withFaultProxy(to: "127.0.0.1:\(server.port)") { proxy in
                let port = try #require(proxy.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
                let sink = sink(Secret(server.connection(password: PostgresServer.password, port: port)))
                try await sink.write([snapshot(1)])
                await proxy.cut(afterBytes: bytes, .toServer)
                let batch = (2...20).map { snapshot($0) }
                let failure = await failure(sink, batch)
                #expect(failure != nil)
                #expect(failure?.contains(PostgresServer.password) == false)
                try await sink.write(batch)
                #expect(try await polls(server) == Array(1...20))
                // The control: without a cut, the same batch changes nothing.
                try await sink.write(batch)
                #expect(try await polls(server) == Array(1...20))
            }
        }
    }

    @Test("the error about a wrong password does not contain it, and a new one in the file is used at once")
    func password() async throws {
        try await PostgresServer.run { server in
            try await withFiles(["secret": server.connection(password: "wr0ng-p@ss", port: server.port)]) { folder in
                let secret = Secret.file("\(folder)/secret")
                let sink = sink(secret)
                let failure = await failure(sink, [snapshot(1)])
                #expect(failure?.contains(#"password authentication failed for user "monitor""#) == true)
                #expect(failure?.contains("wr0ng") == false)
                #expect(!"\(sink)\(secret)\(String(reflecting: sink))".contains("wr0ng"))
                try Data(server.connection.utf8).write(to: URL(fileURLWithPath: "\(folder)/secret"))
                try await sink.write([snapshot(1)])
                try FileManager.default.removeItem(atPath: "\(folder)/secret")
                #expect(await self.failure(sink, [snapshot(2)]) == "\(folder)/secret cannot be read")
                #expect(try await polls(server) == [1])
            }
        }
    }

    private func commandLines() -> [String] {
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.filter { Int32($0) != nil }.compactMap {
            try? String(contentsOfFile: "/proc/\($0)/cmdline", encoding: .utf8)
        }
    }

    @Test("an error of a table, such as a full disk, is reported, and all is written when it is over")
    func refusal() async throws {
        try await PostgresServer.run { server in
            let sink = sink(Secret(server.connection))
            try await sink.write([snapshot(1)])
            try await server.query(
                """
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN RAISE EXCEPTION 'could not extend file: No space left on device'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON etcd_monitor.samples EXECUTE FUNCTION refuse();
                """
            )
            let failure = await failure(sink, [snapshot(2), snapshot(3)])
            #expect(failure?.hasPrefix("could not extend file: No space left on device") == true, "\(failure ?? "")")
            // Nothing of a batch is kept alone.
            #expect(try await server.number("SELECT count(*) FROM etcd_monitor.polls") == 1)
            try await server.query("DROP TRIGGER refuse ON etcd_monitor.samples")
            try await sink.write([snapshot(2), snapshot(3)])
            #expect(try await polls(server) == [1, 2, 3])
        }
    }

    @Test("a write that waits for a lock ends in time")
    func locks() async throws {
        try await PostgresServer.run { server in
            let sink = sink(Secret(server.connection))
            try await sink.write([snapshot(1)])
            let holder = Task {
                try await server.query("BEGIN; LOCK TABLE etcd_monitor.samples; SELECT pg_sleep(12); COMMIT;")
            }
            #expect(
                await eventually {
                    (try? await server.number(
                        "SELECT count(*) FROM pg_locks WHERE relation = 'etcd_monitor.samples'::regclass"
                    )) ?? 0
                        > 0
                }
            )
            let failure = await failure(sink, [snapshot(2)])
            #expect(failure == "canceling statement due to statement timeout")
            _ = try await holder.value
            try await sink.write([snapshot(2)])
            #expect(try await polls(server) == [1, 2])
        }
    }

    @Test("a missing psql is reported")
    func missing() async {
        let sink = sink(Secret("postgresql://u:s3cret@h/d")) { $0.program = "psql-that-is-missing" }
        let failure = await failure(sink, [snapshot(1)])
        #expect(failure?.hasPrefix("psql-that-is-missing cannot be started: No such file or directory") == true)
    }

    @Test(
        "a schema name with other characters is refused",
        arguments: ["", "A", "a b", "a;b", "a\"", "1a", "é"]
    )
    func schemaName(name: String) async {
        let sink = sink(Secret("postgresql://h/d")) { $0.schema = name }
        #expect(await failure(sink, [snapshot(1)])?.hasPrefix("the name of the schema") == true)
    }

    @Test("only rows older than the retention are deleted, in portions")
    func retention() async throws {
        try await PostgresServer.run { server in
            try await sink(Secret(server.connection)) { $0.retention = nil }.write([snapshot(1)])
            try await server.query(
                """
                INSERT INTO etcd_monitor.samples
                SELECT now() - interval '2 days' + n * interval '1 second', n, id
                FROM etcd_monitor.series, generate_series(1, 5000) AS n;
                INSERT INTO etcd_monitor.polls (cluster, time, verdict, voters, healthy_voters)
                SELECT 'c', now() - interval '2 days', 'ok', 3, 3;
                INSERT INTO etcd_monitor.findings VALUES
                    ('c', 'old', '', now() - interval '3 days', now() - interval '2 days', now(), 'ok', '', ''),
                    ('d', 'open', '', now() - interval '3 days', NULL, now(), 'ok', '', '');
                INSERT INTO etcd_monitor.leader_changes VALUES ('c', now() - interval '2 days', 1, '', '');
                """
            )
            let count = try await server.number("SELECT count(*) FROM etcd_monitor.samples")
            #expect(count == 5001 * 7)
            try await sink(Secret(server.connection)) { $0.retention = .seconds(86_400) }.write([snapshot(2)])
            #expect(try await polls(server) == [1, 2])
            let rest = try await server.query(
                """
                SELECT (SELECT count(*) FROM etcd_monitor.polls), (SELECT string_agg(code, ' ') FROM etcd_monitor.findings),
                    (SELECT count(*) FROM etcd_monitor.leader_changes)
                """
            )
            #expect(rest == [["2", "open", "0"]])
        }
    }

    @Test("a monitor's polls arrive once, and an outage of the database is a finding")
    func monitor() async throws {
        try await PostgresServer.run { server in
            try await withEtcdCluster { cluster in
                try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                    var options = ClusterMonitor.Options()
                    options.interval = .milliseconds(100)
                    options.historySinks = [sink(Secret(server.connection))]
                    let monitor = try ClusterMonitor(client, options)
                    let polling = Task { try await monitor.run() }
                    #expect(await eventually { monitor.snapshot.poll >= 10 })
                    let administration = PostgresServer(folder: server.folder, port: server.port, database: "postgres")
                    try await administration.query("ALTER DATABASE \(server.database) ALLOW_CONNECTIONS false")
                    #expect(
                        await eventually {
                            monitor.snapshot.findings.contains {
                                $0.id.description == "monitor-history-failed:postgres"
                                    && $0.summary.contains("is not currently accepting connections")
                            }
                        }
                    )
                    let texts = String(decoding: try JSONBody.bytes(of: monitor.snapshot), as: UTF8.self)
                    #expect(!texts.contains("s3cret"))
                    try await administration.query("ALTER DATABASE \(server.database) ALLOW_CONNECTIONS true")
                    #expect(await eventually { monitor.snapshot.findings.isEmpty })
                    polling.cancel()
                    try await polling.value
                    let rows = try await server.query("SELECT count(*), count(DISTINCT time) FROM etcd_monitor.polls")
                    let polls = "\(monitor.snapshot.poll)"
                    #expect(rows == [[polls, polls]])
                    let findings = try await server.query(
                        "SELECT code, subject, ended > began FROM etcd_monitor.findings"
                    )
                    #expect(findings == [["monitor-history-failed", "postgres", "t"]])
                }
            }
        }
    }
}
