// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// The tests with a program that stands in for `psql`.
@Suite("Scripts through psql", .cluster, .timeLimit(.minutes(1)))
struct PsqlTests {
    private static let secret = "hunter2-p@ss"

    /// Runs a script through a shell script, whose own folder is in `$folder`.
    private func run(
        _ program: String,
        script: String = "SELECT 1;\n",
        timeout: Duration = .seconds(20),
        _ check: (String, HistorySinkError?) async throws -> Void
    ) async throws {
        try await withFiles(["psql": "#!/bin/sh\nfolder=${0%/*}\n\(program)\n"]) { folder in
            #expect(chmod("\(folder)/psql", 0o755) == 0)
            let connection = try PostgresConnection("host=db.example user=u password=\(Self.secret) dbname=d")
            let psql = Psql("\(folder)/psql", connection, timeout: timeout)
            var failure: HistorySinkError?
            do throws(HistorySinkError) { try await psql.run(script) } catch { failure = error }
            try await check(folder, failure)
        }
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    @Test("the script is its input, and the secret stands in its environment only")
    func input() async throws {
        let script = String(repeating: "SELECT 'x';\n", count: 100_000)
        let program = """
            cat >$folder/input; env >$folder/environment; tr '\\0' ' ' </proc/$$/cmdline >$folder/arguments
            ls /proc/$$/fd >$folder/descriptors
            """
        try await run(program, script: script) { folder, error in
            #expect(error == nil)
            #expect(try text("\(folder)/input") == script)
            let environment = try text("\(folder)/environment")
            #expect(environment.contains("PGPASSWORD=\(Self.secret)\n"), "control")
            #expect(environment.contains("PGHOST=db.example\n"))
            let names = Set(
                environment.split(separator: "\n").compactMap { $0.split(separator: "=").first.map(String.init) }
            )
            // The shell adds some of its own.
            let own = ["HOME", "LC_ALL", "LD_LIBRARY_PATH", "OLDPWD", "PATH", "PWD", "SHLVL", "TZ", "_"]
            let others = names.filter { !$0.hasPrefix("PG") && !own.contains($0) }
            #expect(others.allSatisfy { $0.hasPrefix("SSL_CERT_") || $0.hasPrefix("KRB5") }, "\(others)")
            let all = ProcessInfo.processInfo.environment.keys.filter { !names.contains($0) }
            #expect(!all.isEmpty, "control")
            let arguments = try text("\(folder)/arguments")
            #expect(arguments.contains("--no-psqlrc"))
            #expect(!arguments.contains(Self.secret))
            // Besides the standard ones, the shell has its script open.
            let descriptors = try text("\(folder)/descriptors").split(separator: "\n").compactMap { Int($0) }
            #expect(descriptors.filter { $0 > 2 && $0 < 10 }.isEmpty, "\(descriptors)")
        }
    }

    @Test(
        "an error has the reason in one short line, without the secret",
        arguments: [
            ("echo 'psql: error: no route' >&2; exit 2", "no route"),
            ("echo 'ERROR:  no table' >&2; echo 'LINE 1: x' >&2; exit 3", "no table; LINE 1: x"),
            ("echo \"bad password $PGPASSWORD of $PGUSER\" >&2; exit 2", "bad password (secret) of u"),
            ("printf 'a\\033[31mb\\tc' >&2; exit 3", "a[31mb c"),
            ("exit 7", "psql ended with status 7"),
            ("kill -9 $$", "psql ended with signal 9"),
        ]
    )
    func errors(program: String, expected: String) async throws {
        try await run(program) { _, error in #expect(error?.message == expected) }
    }

    @Test("an error of any length is cut, and normal output is not kept")
    func flood() async throws {
        let flood = "head -c 20000000 /dev/zero | tr '\\0' x"
        let program = "\(flood) & \(flood) >&2; wait; exit 1"
        try await run(program) { _, error in #expect(error?.message == String(repeating: "x", count: 199) + "…") }
    }

    @Test(
        "a program that does not read its input does not block",
        arguments: [(0, nil), (1, "psql ended with status 1")]
    )
    func deaf(status: Int, expected: String?) async throws {
        let script = String(repeating: "x", count: 4 << 20)
        try await run("exec 0<&-; exit \(status)", script: script) { _, error in #expect(error?.message == expected) }
    }

    @Test("a program that hangs is killed with its children, and leaves no process and no descriptor")
    func hanging() async throws {
        let sockets = ProcessFigures.socketCount
        try await run("sleep 1000 & echo $! $$ >$folder/ids; sleep 1000", timeout: .milliseconds(300)) {
            folder,
            error in
            #expect(error?.message == "the database did not answer within 0.3 seconds")
            let ids = try text("\(folder)/ids").split(whereSeparator: \.isWhitespace).compactMap { Int32($0) }
            #expect(ids.count == 2)
            // An orphan is reaped by the system's first process, a moment later.
            #expect(await eventually { ids.allSatisfy { isGone($0) } })
        }
        #expect(await eventually { ProcessFigures.socketCount <= sockets + 2 })
    }

    @Test("when the task is cancelled, the program is killed at once")
    func cancellation() async throws {
        try await withFiles(["psql": "#!/bin/sh\necho $$ >${0%/*}/id\nsleep 1000\n"]) { folder in
            #expect(chmod("\(folder)/psql", 0o755) == 0)
            let psql = Psql("\(folder)/psql", try PostgresConnection("host=h"), timeout: .seconds(1000))
            let work = Task { () async -> String? in
                do throws(HistorySinkError) { try await psql.run("x") } catch { return error.message }
                return nil
            }
            #expect(await eventually { ((try? text("\(folder)/id")) ?? "").hasSuffix("\n") })
            let id = try #require(Int32(try text("\(folder)/id").trimmingCharacters(in: .whitespacesAndNewlines)))
            #expect(kill(id, 0) == 0, "control")
            work.cancel()
            #expect(await work.value == "the write was cancelled because the monitor stops")
            #expect(kill(id, 0) == -1)
        }
    }

    @Test("the error names a missing program")
    func missing() async throws {
        let psql = Psql("/nowhere/psql", try PostgresConnection("host=h"), timeout: .seconds(5))
        let error = await #expect(throws: HistorySinkError.self) { try await psql.run("x") }
        #expect(
            error?.message
                == "/nowhere/psql cannot be started: No such file or directory; it belongs to the client of PostgreSQL"
        )
    }

    private func isGone(_ id: Int32) -> Bool {
        guard kill(id, 0) == 0 else { return true }
        let state = (try? text("/proc/\(id)/stat"))?.split(separator: ")").last?.split(separator: " ").first
        return state == "Z"
    }
}
