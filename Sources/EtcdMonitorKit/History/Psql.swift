// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Runs scripts through `psql`, each in a process of its own.
///
/// A process per script never has a broken session, and always uses the newest password. It costs about as much as a
/// connection, some hundredths of a second.
struct Psql: Sendable {
    /// The environment variables that are passed on: enough to find programs, certificates and tickets.
    private static let shared = [
        "PATH", "HOME", "TZ", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "KRB5_CONFIG", "KRB5CCNAME",
    ]

    private let program: String
    private let timeout: Duration
    private let environment: [String: String]
    private let secrets: [String]

    init(_ program: String, _ connection: PostgresConnection, timeout: Duration) {
        self.program = program
        self.timeout = timeout
        secrets = connection.secrets
        var environment = ProcessInfo.processInfo.environment.filter { Self.shared.contains($0.key) }
        environment["LC_ALL"] = "C"
        environment["PGAPPNAME"] = "etcd-monitor"
        environment["PGCONNECT_TIMEOUT"] = "\(max(2, Int(timeout / .seconds(3))))"
        environment.merge(connection.environment) { $1 }
        environment["PGCLIENTENCODING"] = "UTF8"
        self.environment = environment
    }

    /// Runs a script.
    ///
    /// - Throws: The first error, without secrets.
    func run(_ script: String) async throws(HistorySinkError) {
        let outcome: ChildProcess.Outcome
        do throws(SystemError) {
            outcome = try await ChildProcess.run(
                [program, "--no-psqlrc", "--no-password", "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null"],
                environment: environment,
                input: Array(script.utf8),
                timeout: timeout
            )
        } catch {
            throw HistorySinkError(
                "\(program) cannot be started: \(error.reason); it belongs to the client of PostgreSQL"
            )
        }
        if outcome.status == 0 { return }
        if outcome.isLate { throw HistorySinkError("the database did not answer within \(timeout)") }
        if Task.isCancelled { throw HistorySinkError("the write was cancelled because the monitor stops") }
        throw HistorySinkError(message(of: outcome))
    }

    private func message(of outcome: ChildProcess.Outcome) -> String {
        let ending = outcome.status.map { $0 < 0 ? "signal \(-$0)" : "status \($0)" } ?? "an unknown status"
        let text = String(decoding: outcome.errors, as: UTF8.self)
        let lines = text.split(whereSeparator: \.isNewline).map {
            $0.trimmingPrefix("psql: error: ").trimmingPrefix("ERROR:").trimmingCharacters(in: .whitespaces)
        }
        // Earlier lines of psql, such as a warning, are not the reason.
        return Redaction(secrets)(lines.isEmpty ? "psql ended with \(ending)" : lines.joined(separator: "; "))
    }
}
