// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keeps the history in a database of PostgreSQL, through its client program `psql`.
///
/// ```swift
/// options.historySinks = [PostgresHistorySink(.file("/run/secrets/history-database"))]
/// ```
///
/// It makes its tables itself. The secret is a connection string, as `postgresql://USER:PASSWORD@HOST/DATABASE` or as
/// `host=HOST user=USER …`; it goes to `psql` in its environment, and to nobody else.
public final class PostgresHistorySink: HistorySink {
    /// How the history is kept.
    public struct Options: Sendable, Hashable {
        /// The name of the sink.
        public var name = "postgres"
        /// The schema of the tables: lowercase letters, digits and `_`.
        public var schema = "etcd_monitor"
        /// How long polls are gathered before they are written together.
        public var flushInterval: Duration = .seconds(10)
        /// How long the history is kept; nil for ever.
        public var retention: Duration? = .seconds(30 * 86_400)
        /// How long one write may take.
        public var timeout: Duration = .seconds(30)
        /// Makes the samples a hypertable of TimescaleDB, if the database has that extension when the tables are made.
        public var usesTimescale = true
        /// The program, by its path or by a name to look for in `PATH`.
        public var program = "psql"

        /// Makes the default options.
        public init() {}
    }

    private struct State {
        var hasSchema = false
        var nextCleaning: ContinuousClock.Instant?
    }

    private static let cleaningInterval: Duration = .seconds(600)

    private let connection: Secret
    private let options: Options
    private let state = Lock(State())

    /// Makes a sink, which connects at its first write.
    ///
    /// - Parameters:
    ///   - connection: The connection string; one in a file is read again for each write.
    ///   - options: How the history is kept.
    public init(_ connection: Secret, _ options: Options = Options()) {
        self.connection = connection
        self.options = options
    }

    /// The name of the sink.
    public var name: String { options.name }
    /// How long polls are gathered.
    public var flushInterval: Duration { options.flushInterval }

    /// Writes snapshots in one transaction.
    ///
    /// - Parameter snapshots: The snapshots; those that are there already change nothing.
    /// - Throws: The error of the database or of `psql`, without secrets.
    public func write(_ snapshots: [MonitorSnapshot]) async throws(HistorySinkError) {
        let schema = try schema()
        let psql = Psql(options.program, try database(), timeout: timeout)
        if !state.withLock({ $0.hasSchema }) {
            try await psql.run(schema.creation)
            state.withLock { $0.hasSchema = true }
        }
        if let retention = options.retention, isTimeToClean() {
            try await psql.run(schema.cleaning(olderThan: retention))
        }
        do throws(HistorySinkError) {
            try await psql.run(schema.insertion(snapshots.compactMap { HistoryRecord($0) }))
        } catch {
            // Somebody may have removed the tables.
            state.withLock { $0.hasSchema = false }
            throw error
        }
    }

    /// The time for one script, within what PostgreSQL can count.
    private var timeout: Duration { min(options.timeout.bounded, .seconds(86_400)) }

    private func schema() throws(HistorySinkError) -> PostgresSchema {
        guard options.schema.wholeMatch(of: /[a-z_][a-z0-9_]{0,62}/) != nil else {
            throw HistorySinkError("the name of the schema may have lowercase letters, digits and \"_\" only")
        }
        return PostgresSchema(
            name: options.schema,
            statementTimeout: timeout / 2,
            usesTimescale: options.usesTimescale
        )
    }

    private func database() throws(HistorySinkError) -> PostgresConnection {
        let text: String
        do throws(AlertChannelError) { text = try connection.value() } catch { throw HistorySinkError(error.message) }
        return try PostgresConnection(text)
    }

    /// Whether the last cleaning was long ago; it counts as done, lest one that fails keep the polls from being written.
    private func isTimeToClean() -> Bool {
        state.withLock { state in
            if let next = state.nextCleaning, next > .now { return false }
            state.nextCleaning = .now + Self.cleaningInterval
            return true
        }
    }
}
