// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

/// The sink with TimescaleDB, on a stand-in that notes its calls: functions of the same names and parameters,
/// registered as if the extension were there.
@Suite(
    "History in TimescaleDB, with a stand-in",
    .cluster,
    .enabled(if: PostgresServer.isInstalled, "PostgreSQL is not installed"),
    .timeLimit(.minutes(1))
)
struct TimescaleTests {
    private static let standIn = """
        CREATE SCHEMA ts;
        CREATE SCHEMA timescaledb_information;
        CREATE TABLE ts.calls (call text);
        CREATE FUNCTION ts.create_hypertable(relation regclass, time_column_name name, chunk_time_interval interval)
            RETURNS void LANGUAGE sql AS $$
            INSERT INTO ts.calls VALUES (format('create_hypertable %s %s %s', $1, $2, $3)) $$;
        CREATE FUNCTION ts.add_compression_policy(hypertable regclass, compress_after interval)
            RETURNS void LANGUAGE sql AS $$
            INSERT INTO ts.calls VALUES (format('add_compression_policy %s %s', $1, $2)) $$;
        CREATE FUNCTION ts.drop_chunks(relation regclass, older_than timestamptz)
            RETURNS void LANGUAGE sql AS $$
            INSERT INTO ts.calls VALUES (format('drop_chunks %s %s', $1, round(extract(epoch FROM now() - $2)))) $$;
        CREATE VIEW timescaledb_information.hypertables AS
            SELECT 'etcd_monitor'::name AS hypertable_schema, 'samples'::name AS hypertable_name;
        GRANT USAGE ON SCHEMA ts, timescaledb_information TO monitor;
        GRANT INSERT ON ts.calls TO monitor;
        GRANT SELECT ON timescaledb_information.hypertables TO monitor;
        SET allow_system_table_mods = on;
        INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
        VALUES (999999, 'timescaledb', 10, 'ts'::regnamespace, false, '2.15');
        """

    private func calls(usesTimescale: Bool) async throws -> [String] {
        var found: [String] = []
        try await PostgresServer.run { server in
            try await server.query(Self.standIn)
            var options = PostgresHistorySink.Options()
            options.usesTimescale = usesTimescale
            options.retention = .seconds(86_400)
            let sink = PostgresHistorySink(Secret(server.connection), options)
            try await sink.write([.sample(1, start: Date())])
            try await PostgresHistorySink(Secret(server.connection), options).write([.sample(2, start: Date())])
            let count = try await server.number("SELECT count(*) FROM etcd_monitor.samples")
            #expect(Int(count) == 2 * MonitorSnapshot.sampleFigures)
            found = try await server.query("SELECT call FROM ts.calls").compactMap(\.first)
        }
        return found
    }

    /// The stand-in knows no `ALTER TABLE … SET (timescaledb.compress)`, as the extension's free edition does not.
    @Test("the samples become a hypertable once, are compressed if that is possible, and lose whole chunks")
    func hypertable() async throws {
        #expect(
            try await calls(usesTimescale: true) == [
                "create_hypertable etcd_monitor.samples time 1 day",
                "add_compression_policy etcd_monitor.samples 2 days",
                "drop_chunks etcd_monitor.samples 86400", "drop_chunks etcd_monitor.samples 86400",
            ]
        )
    }

    @Test("TimescaleDB is not used if the options say so")
    func unused() async throws {
        #expect(try await calls(usesTimescale: false) == [])
    }
}
