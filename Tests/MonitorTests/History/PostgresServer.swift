// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdMonitorKit

/// A private PostgreSQL in a temporary folder, which dies with the tests.
struct PostgresServer: Sendable {
    /// The folder of the server's programs; nil without PostgreSQL.
    static let binaries: String? = {
        let root = "/usr/lib/postgresql"
        let versions = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        let folders = versions.sorted().reversed().map { "\(root)/\($0)/bin" }
        let paths = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (folders + paths).first { FileManager.default.isExecutableFile(atPath: "\($0)/initdb") }
    }()
    static var isInstalled: Bool { binaries != nil }

    static let password = "s3cret-p@ss/word"

    let folder: String
    let port: UInt16
    /// The database of the test.
    let database: String

    /// Where the sink's user finds its database.
    var connection: String { connection(password: Self.password, port: port) }

    func connection(password: String, port: UInt16) -> String {
        let encoded = password.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
        return "postgresql://monitor:\(encoded)@127.0.0.1:\(port)/\(database)"
    }

    /// The server that tests share, each with a database of its own; it ends with the process.
    private static let shared = Task { try await launch() }

    /// Lends a database on the shared server to `body`.
    static func run(_ body: (PostgresServer) async throws -> Void) async throws {
        let (server, _) = try await shared.value
        try await body(server.withDatabase())
    }

    /// Starts a server, which `body` may harm, and ends it.
    static func runAlone(_ body: (PostgresServer) async throws -> Void) async throws {
        let (server, keeper) = try await launch()
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(server.withDatabase())) } catch { outcome = .failure(error) }
        server.signal(SIGCONT)
        await keeper.stop()
        try outcome.get()
    }

    private static func launch() async throws -> (PostgresServer, Keeper) {
        let folder = "/tmp/etcd-monitor-pg-\(UInt32.random(in: 0 ... .max))"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        if getuid() == 0, let user = getpwnam("postgres") {
            chown(folder, user.pointee.pw_uid, user.pointee.pw_gid)
        }
        let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0)
        let server = PostgresServer(folder: folder, port: listener.port, database: "postgres")
        listener.close()
        try await server.execute([
            "\(binaries ?? "")/initdb", "--pgdata=\(folder)/data", "--no-sync", "--encoding=UTF8", "--locale=C",
            "--username=admin", "--auth-local=trust", "--auth-host=scram-sha-256",
        ])
        let keeper = try server.start()
        try await server.waitUntilReady()
        try await server.query("CREATE ROLE monitor LOGIN PASSWORD '\(Self.password)'")
        return (server, keeper)
    }

    private func withDatabase() async throws -> PostgresServer {
        let name = "history_\(UInt32.random(in: 0 ... .max))"
        try await query("CREATE DATABASE \(name) OWNER monitor")
        return PostgresServer(folder: folder, port: port, database: name)
    }

    // MARK: Life and death

    /// A shell that ends the server when its input ends: also when this process dies.
    struct Keeper {
        let process: Int32
        let lifeline: Int32

        func stop() async {
            Platform.close(lifeline)
            _ = await offload { Platform.reap(process) }
        }
    }

    /// Starts the server.
    func start() throws -> Keeper {
        let script =
            #"log=$1; shift; exec >>"$log" 2>&1; "$@" </dev/null & read x; kill -INT $!; wait $!; rm -rf "${log%/*}""#
        let command = Self.asPostgres([
            "\(Self.binaries ?? "")/postgres", "-D", "\(folder)/data", "-k", folder, "-p", "\(port)",
            "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "full_page_writes=off",
            "-c", "shared_buffers=16MB",
        ])
        let pipe = try Platform.makePipe()
        defer { Platform.close(pipe.read) }
        try Platform.makeBlocking(pipe.read)
        let process = try Platform.spawn(
            ["/bin/sh", "-c", script, "sh", "\(folder)/log"] + command,
            environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "LC_ALL": "C"],
            descriptors: [pipe.read]
        )
        return Keeper(process: process, lifeline: pipe.write)
    }

    /// Shuts the server down at once, calls `body`, and starts it again; returns the keeper of the new one.
    func restart(_ body: () async throws -> Void) async throws -> Keeper {
        signal(SIGINT)
        #expect(await eventually { !FileManager.default.fileExists(atPath: "\(folder)/data/postmaster.pid") })
        try await body()
        let keeper = try start()
        try await waitUntilReady()
        return keeper
    }

    /// Sends a signal to the server's first process.
    func signal(_ number: Int32) {
        let text = (try? String(contentsOfFile: "\(folder)/data/postmaster.pid", encoding: .utf8)) ?? ""
        if let id = text.split(separator: "\n").first.flatMap({ Int32($0) }) { kill(id, number) }
    }

    func waitUntilReady() async throws {
        let isReady = await eventually { (try? await query("SELECT 1")) != nil }
        let log = try? String(contentsOfFile: "\(folder)/log", encoding: .utf8)
        try #require(isReady, "the server's log: \(log ?? "")")
    }

    // MARK: Questions

    /// Runs a query as the superuser, and returns the rows.
    @discardableResult
    func query(_ sql: String) async throws -> [[String]] {
        let output = try await execute(
            [
                "psql", "--no-psqlrc", "--host=\(folder)", "--port=\(port)", "--username=admin", "--quiet",
                "--no-align",
                "--tuples-only", "--field-separator=|", "--set=ON_ERROR_STOP=1", database,
            ],
            input: sql
        )
        return output.split(separator: "\n").map {
            $0.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
        }
    }

    /// The single number in the answer to a query.
    func number(_ sql: String) async throws -> Double {
        try #require(try await query(sql).first?.first.flatMap(Double.init), "\(sql)")
    }

    @discardableResult
    private func execute(_ command: [String], input: String = "") async throws -> String {
        let outcome = try await ChildProcess.run(
            command.first == "psql" ? command : Self.asPostgres(command),
            environment: ["PATH": ProcessInfo.processInfo.environment["PATH"] ?? "", "LC_ALL": "C"],
            input: Array(input.utf8),
            timeout: .seconds(60),
            maximumOutput: 1 << 24
        )
        let errors = String(decoding: outcome.errors, as: UTF8.self)
        if outcome.status != 0 { throw QueryError(description: "\(command.first ?? "") \(errors)") }
        return String(decoding: outcome.output, as: UTF8.self)
    }

    struct QueryError: Error, CustomStringConvertible {
        let description: String
    }

    /// PostgreSQL refuses to run as root.
    private static func asPostgres(_ command: [String]) -> [String] {
        getuid() == 0 ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] + command : command
    }
}
