// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Stores the history in a PostgreSQL database, through its client program `psql`.
///
/// ```swift
/// options.historySinks = [PostgresHistorySink(.file("/run/secrets/history-database"))]
/// ```
///
/// It creates its tables itself. The secret is a connection string, as `postgresql://USER:PASSWORD@HOST/DATABASE` or as
/// `host=HOST user=USER …`. Only `psql` receives it, in its environment.
public final class PostgresHistorySink: HistorySink {
    /// The settings of the sink.
    public struct Options: Sendable, Hashable {
        /// The name of the sink.
        public var name = "postgres"
        /// The schema of the tables: lowercase letters, digits and `_`.
        public var schema = "etcd_monitor"
        /// How long polls are collected before they are written together.
        public var flushInterval: Duration = .seconds(10)
        /// How long the history is kept; nil for ever.
        public var retention: Duration? = .seconds(30 * 86_400)
        /// The longest duration of a write.
        public var timeout: Duration = .seconds(30)
        /// Whether the samples become a TimescaleDB hypertable, if the database has that extension when the tables are
        /// created.
        public var usesTimescale = true
        /// The program, by its path or by a name in `PATH`.
        public var program = "psql"

        /// Makes options with the defaults.
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

    /// Makes a sink.
    ///
    /// It connects at its first write.
    ///
    /// - Parameters:
    ///   - connection: The connection string; a file is read again for each write.
    ///   - options: The settings.
    public init(_ connection: Secret, _ options: Options = Options()) {
        self.connection = connection
        self.options = options
    }

    /// The name of the sink.
    public var name: String { options.name }
    /// How long polls are collected.
    public var flushInterval: Duration { options.flushInterval }

    /// Writes snapshots in one transaction.
    ///
    /// - Parameter snapshots: The snapshots; existing ones are not changed.
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
            // The tables may have been removed.
            state.withLock { $0.hasSchema = false }
            throw error
        }
    }

    /// The timeout of a script, within the limits of PostgreSQL.
    private var timeout: Duration { min(options.timeout.bounded, .seconds(86_400)) }

    private func schema() throws(HistorySinkError) -> PostgresSchema {
        guard options.schema.wholeMatch(of: /[a-z_][a-z0-9_]{0,62}/) != nil else {
            throw HistorySinkError("the name of the schema must consist of lowercase letters, digits and \"_\"")
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

    /// Whether the last cleanup was long ago.
    ///
    /// A started cleanup counts as done, so that a failing one does not block the polls.
    private func isTimeToClean() -> Bool {
        state.withLock { state in
            if let next = state.nextCleaning, next > .now { return false }
            state.nextCleaning = .now + Self.cleaningInterval
            return true
        }
    }
}
