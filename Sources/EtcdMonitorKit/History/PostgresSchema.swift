// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The tables of the history in PostgreSQL, and the `psql` scripts that create, fill and clean them.
struct PostgresSchema: Sendable {
    /// The name of the schema, which is an SQL identifier.
    let name: String
    /// The longest duration of a statement.
    let statementTimeout: Duration
    /// Whether to use TimescaleDB where the database has it.
    let usesTimescale: Bool

    /// The statements of each version, in addition to the previous one.
    private var versions: [String] { [firstVersion] }

    /// The settings of each transaction.
    ///
    /// JIT is off, because it never pays here, and the planner knows too little about a temporary table to decide that.
    private var limits: String {
        """
        SET LOCAL client_min_messages = warning;
        SET LOCAL jit = off;
        SET LOCAL statement_timeout = \(max(1, Int(statementTimeout / .milliseconds(1))));
        """
    }

    // MARK: Making

    /// Creates the missing tables.
    ///
    /// If the newest version exists, it changes nothing and needs no right to.
    ///
    /// Several monitors may run it at once: the others wait for the first, and then change nothing.
    var creation: String {
        var script = """
            BEGIN;
            \(limits)
            SELECT pg_advisory_xact_lock(hashtextextended('etcd-monitor \(name)', 0));
            SELECT to_regnamespace('\(name)') IS NULL AS missing \\gset
            \\if :missing
            CREATE SCHEMA \(name);
            \\endif
            SELECT to_regclass('\(name).schema_version') IS NULL AS missing \\gset
            \\if :missing
            CREATE TABLE \(name).schema_version (
                version integer PRIMARY KEY,
                made timestamptz NOT NULL DEFAULT now()
            );
            \\endif

            """
        for (index, version) in versions.enumerated() {
            script += """
                SELECT NOT EXISTS (SELECT FROM \(name).schema_version WHERE version >= \(index + 1)) AS missing \\gset
                \\if :missing
                \(version)
                INSERT INTO \(name).schema_version (version) VALUES (\(index + 1));
                \\endif

                """
        }
        return script + """
            SELECT max(version) > \(versions.count) AS is_newer FROM \(name).schema_version \\gset
            \\if :is_newer
            DO $$ BEGIN RAISE EXCEPTION 'the schema \(name) belongs to a newer version of the monitor'; END $$;
            \\endif
            COMMIT;

            """
    }

    /// The samples have no foreign key: to check it would lock, and thus write, a row of `series` for each sample.
    private var firstVersion: String {
        """
        CREATE TYPE \(name).verdict AS ENUM ('ok', 'unknown', 'degraded', 'critical');
        CREATE TABLE \(name).polls (
            cluster text NOT NULL,
            time timestamptz NOT NULL,
            verdict \(name).verdict NOT NULL,
            seconds real,
            voters integer NOT NULL,
            healthy_voters integer NOT NULL,
            leader text,
            term numeric(20),
            PRIMARY KEY (cluster, time)
        );
        CREATE TABLE \(name).series (
            id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            cluster text NOT NULL,
            member text NOT NULL,
            figure text NOT NULL,
            UNIQUE (cluster, member, figure)
        );
        CREATE TABLE \(name).samples (
            time timestamptz NOT NULL,
            value double precision NOT NULL,
            series integer NOT NULL,
            PRIMARY KEY (series, time)
        );
        CREATE VIEW \(name).figures AS
            SELECT time, cluster, member, figure, value FROM \(name).samples JOIN \(name).series ON id = series;
        CREATE TABLE \(name).findings (
            cluster text NOT NULL,
            code text NOT NULL,
            subject text NOT NULL,
            began timestamptz NOT NULL,
            ended timestamptz,
            last_seen timestamptz NOT NULL,
            verdict \(name).verdict NOT NULL,
            member text,
            summary text NOT NULL,
            PRIMARY KEY (cluster, code, subject, began)
        );
        CREATE INDEX findings_open ON \(name).findings (cluster) WHERE ended IS NULL;
        CREATE TABLE \(name).leader_changes (
            cluster text NOT NULL,
            time timestamptz NOT NULL,
            term numeric(20) NOT NULL,
            old_leader text,
            new_leader text,
            PRIMARY KEY (cluster, time, term)
        );
        \(usesTimescale ? hypertable : "")
        """
    }

    /// The Apache-licensed edition of TimescaleDB has no compression; `psql` then continues without it.
    private var hypertable: String {
        """
        \(timescaleQuestion)
        \\if :has_timescale
        SELECT :timescale.create_hypertable('\(name).samples', 'time', chunk_time_interval => interval '1 day');
        \\set ON_ERROR_ROLLBACK on
        \\unset ON_ERROR_STOP
        ALTER TABLE \(name).samples SET (timescaledb.compress, timescaledb.compress_segmentby = 'series');
        SELECT :timescale.add_compression_policy('\(name).samples', interval '2 days');
        \\set ON_ERROR_STOP 1
        \\unset ON_ERROR_ROLLBACK
        \\endif
        """
    }

    private var timescaleQuestion: String {
        """
        SELECT count(*) > 0 AS has_timescale, coalesce(max(quote_ident(nspname)), 'public') AS timescale
        FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace WHERE extname = 'timescaledb' \\gset
        """
    }

    // MARK: Filling

    /// Adds polls.
    ///
    /// Existing ones are not changed.
    func insertion(_ records: [HistoryRecord]) throws(HistorySinkError) -> String {
        let lines = try HistoryRecord.lines(of: records)
        return """
            BEGIN;
            \(limits)
            CREATE TEMPORARY TABLE batch (
                poll jsonb NOT NULL,
                cluster text NOT NULL GENERATED ALWAYS AS (poll->>'cluster') STORED,
                time timestamptz NOT NULL GENERATED ALWAYS AS (to_timestamp((poll->>'time')::float8)) STORED
            ) ON COMMIT DROP;
            COPY batch (poll) FROM STDIN;
            \(lines)\\.

            INSERT INTO \(name).polls (cluster, time, verdict, seconds, voters, healthy_voters, leader, term)
            SELECT cluster, time, (poll->>'verdict')::\(name).verdict, (poll->>'seconds')::real,
                (poll->>'voters')::integer, (poll->>'healthyVoters')::integer, poll->>'leader', (poll->>'term')::numeric
            FROM batch
            ON CONFLICT DO NOTHING;

            INSERT INTO \(name).series (cluster, member, figure)
            SELECT cluster, members.key, figures.key
            FROM batch, jsonb_each(poll->'figures') AS members, jsonb_each(members.value) AS figures
            EXCEPT SELECT cluster, member, figure FROM \(name).series
            ORDER BY 1, 2, 3
            ON CONFLICT DO NOTHING;

            INSERT INTO \(name).samples (time, value, series)
            SELECT batch.time, figures.value::float8, series.id
            FROM batch, jsonb_each(poll->'figures') AS members, jsonb_each_text(members.value) AS figures,
                \(name).series
            WHERE series.cluster = batch.cluster AND series.member = members.key AND series.figure = figures.key
            ON CONFLICT DO NOTHING;

            INSERT INTO \(name).findings AS known
                (cluster, code, subject, began, last_seen, verdict, member, summary)
            SELECT cluster, found->>'code', found->>'subject', to_timestamp((found->>'since')::float8), max(time),
                max((found->>'verdict')::\(name).verdict), max(found->>'member'),
                (array_agg(found->>'summary' ORDER BY time DESC))[1]
            FROM batch, jsonb_array_elements(poll->'findings') AS found
            GROUP BY 1, 2, 3, 4
            ORDER BY 1, 2, 3, 4
            ON CONFLICT (cluster, code, subject, began) DO UPDATE SET
                last_seen = greatest(known.last_seen, excluded.last_seen),
                verdict = greatest(known.verdict, excluded.verdict),
                summary = CASE WHEN excluded.last_seen < known.last_seen THEN known.summary ELSE excluded.summary END,
                ended = CASE WHEN excluded.last_seen < known.ended THEN known.ended END;

            UPDATE \(name).findings SET ended = over.time
            FROM (
                SELECT cluster, code, subject, began, min(batch.time) AS time
                FROM \(name).findings JOIN batch USING (cluster)
                WHERE ended IS NULL AND batch.time > last_seen
                GROUP BY 1, 2, 3, 4
            ) AS over
            WHERE (findings.cluster, findings.code, findings.subject, findings.began)
                = (over.cluster, over.code, over.subject, over.began);

            INSERT INTO \(name).leader_changes (cluster, time, term, old_leader, new_leader)
            SELECT DISTINCT cluster, to_timestamp((change->>'time')::float8), (change->>'term')::numeric,
                change->>'from', change->>'to'
            FROM batch, jsonb_array_elements(poll->'leaderChanges') AS change
            ON CONFLICT DO NOTHING;
            COMMIT;

            """
    }

    // MARK: Cleaning

    /// Deletes older rows in portions, each in a short transaction of its own.
    func cleaning(olderThan retention: Duration) -> String {
        let cutoff = "now() - interval '\(Int(retention.bounded / .seconds(1))) seconds'"
        let samples = String(
            repeating: """
                BEGIN;
                \(limits)
                DELETE FROM \(name).samples USING (
                    SELECT oldest.* FROM \(name).series CROSS JOIN LATERAL (
                        SELECT series, time FROM \(name).samples WHERE series = id AND time < \(cutoff)
                        ORDER BY time LIMIT 1000
                    ) AS oldest LIMIT 10000
                ) AS old
                WHERE samples.series = old.series AND samples.time = old.time;
                COMMIT;

                """,
            count: 20
        )
        return """
            \(usesTimescale ? chunks(cutoff, samples) : samples)
            BEGIN;
            \(limits)
            DELETE FROM \(name).polls WHERE time < \(cutoff);
            DELETE FROM \(name).findings WHERE ended < \(cutoff);
            DELETE FROM \(name).leader_changes WHERE time < \(cutoff);
            COMMIT;

            """
    }

    /// A hypertable drops whole chunks instead.
    private func chunks(_ cutoff: String, _ samples: String) -> String {
        """
        \(timescaleQuestion)
        \\set is_hypertable false
        \\if :has_timescale
        SELECT count(*) > 0 AS is_hypertable FROM timescaledb_information.hypertables
        WHERE hypertable_schema = '\(name)' AND hypertable_name = 'samples' \\gset
        \\endif
        \\if :is_hypertable
        SELECT :timescale.drop_chunks('\(name).samples', older_than => \(cutoff));
        \\else
        \(samples)
        \\endif
        """
    }
}
