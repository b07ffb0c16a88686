// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

@Suite("The program etcd-monitor", .cluster, .timeLimit(.minutes(3)))
struct ProgramTests {
    @Test("prints its help and its version")
    func help() async throws {
        let help = try await RunningProgram(["--help"]).outcome()
        #expect(help.status == 0)
        #expect(help.output == Settings.help + "\n")
        let version = try await RunningProgram(["--version"]).outcome()
        #expect(version.status == 0)
        #expect(version.output == "etcd-monitor \(MonitorVersion.current)\n")
    }

    @Test("refuses invalid arguments, variables and files, with a status of their own")
    func usage() async throws {
        let flag = try await RunningProgram(["--endpoint=a"]).outcome()
        #expect(flag.status == 64)
        #expect(flag.output.isEmpty)
        #expect(flag.errors == "etcd-monitor: unknown flag --endpoint; did you mean --endpoints?\n")
        let variable = try await RunningProgram(["--once"], environment: ["ETCD_MONITOR_ENDPOINTS": ","]).outcome()
        #expect(variable.status == 64)
        #expect(variable.errors.hasPrefix("etcd-monitor: ETCD_MONITOR_ENDPOINTS: "))
        let file = try await RunningProgram(["--once", "--config=/nowhere.json"]).outcome()
        #expect(file.status == 64)
        #expect(file.errors == "etcd-monitor: /nowhere.json: the file cannot be read\n")
    }

    @Test("files of certificates that cannot be used end it before it serves")
    func certificates() async throws {
        let outcome = try await RunningProgram(["--endpoints=127.0.0.1:1", "--cacert=/nowhere/ca.pem"]).outcome()
        #expect(outcome.status == 70)
        #expect(outcome.errors.contains("/nowhere/ca.pem"))
        #expect(outcome.output.isEmpty)
    }

    @Test("prints a report once, and exits by its verdict")
    func once() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            let endpoints = cluster.endpoints.joined(separator: ",")
            let healthy = try await RunningProgram(["--once", "--endpoints=\(endpoints)"]).outcome()
            #expect(healthy.status == 0, "\(healthy)")
            #expect(healthy.output.contains("available: 3 of 3 voters work, 1 further failure tolerated"))
            #expect(!healthy.output.contains("\u{1b}"))
            for member in cluster.members { #expect(healthy.output.contains("  \(member.name)  ")) }

            await cluster.members[2].kill()
            let degraded = try await RunningProgram(["--once", "--json", "--endpoints=\(endpoints)"]).outcome()
            #expect(degraded.status == 1, "\(degraded)")
            let decoder = JSONDecoder()
            decoder.dateDecodingStrategy = .custom { decoder in
                let text = try decoder.singleValueContainer().decode(String.self)
                return try Date(text, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
            }
            let snapshot = try decoder.decode(MonitorSnapshot.self, from: Data(degraded.output.utf8))
            #expect(snapshot.verdict == .degraded)
            #expect(snapshot.findings.map(\.code) == [.memberDown])

            await cluster.members[1].kill()
            let critical = try await RunningProgram(["--once", "--endpoints=\(endpoints)"]).outcome()
            #expect(critical.status == 2, "\(critical)")
            #expect(critical.output.contains("quorum-lost"))
        }
    }

    @Test("prints the checklist, and exits by it")
    func doctor() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            let endpoints = cluster.endpoints.joined(separator: ",")
            let outcome = try await RunningProgram(["--doctor", "--endpoints=\(endpoints)"]).outcome()
            // It is plaintext.
            #expect(outcome.status == 2)
            #expect(outcome.output.hasPrefix("etcd: fail for production, at "))
            #expect(outcome.output.contains("Advice: "))
            let json = try await RunningProgram(["--doctor", "--json", "--endpoints=\(endpoints)"]).outcome()
            #expect(json.output.contains("\"outcome\":\"fail\""))
        }
    }

    @Test("serves several clusters until a signal ends it, and reports changes")
    func serves() async throws {
        try await withEtcdCluster(members: 3) { cluster in
            let list = cluster.endpoints.joined(separator: ",")
            let program = try RunningProgram([
                "--cluster=a=\(list)", "--cluster=b=\(list)", "--api-port=0", "--health-check-interval=200ms",
            ])
            let port = try await program.printed(/Serving at http:\/\/127\.0\.0\.1:(\d+)\/\n/)
            _ = try await program.printed(/ok        (b: 3 members, leader etcd\d-\S+)\n/)
            // The other cluster may not have been polled yet.
            #expect(await eventually { (try? await body(port, "/readyz")) == "ok\n" })
            #expect(try await body(port, "/metrics").contains("etcd_monitor_up"))
            #expect(try await body(port, "/api/v1/clusters").contains("\"name\":\"b\""))

            let second = try await RunningProgram(["--endpoints=\(list)", "--api-port=\(port)"]).outcome()
            #expect(second.status == 70)
            #expect(second.errors.contains("127.0.0.1:\(port)"))
            #expect(second.errors.hasSuffix("; choose another port with --api-port\n"))

            await cluster.members[0].kill()
            _ = try await program.printed(/degraded\ \ (a: member-down:\S+): M/)
            try await cluster.members[0].restart()
            _ = try await program.printed(/ok        (a: member-down:\S+): ended after \d+ s\n/)
            program.signal(SIGTERM)
            let outcome = try await program.outcome()
            #expect(outcome.status == 0)
            #expect(outcome.errors.isEmpty)
        }
    }

    @Test("opens its API to tokens only, if there are any")
    func tokens() async throws {
        let program = try RunningProgram(
            ["--endpoints=127.0.0.1:1", "--api-port=0"],
            environment: ["ETCD_MONITOR_API_TOKEN": "s3cret"]
        )
        let port = try await program.printed(/Serving at http:\/\/127\.0\.0\.1:(\d+)\/\n/)
        #expect(try await status(port, "/api/v1/findings") == 401)
        #expect(try await status(port, "/api/v1/findings", token: "s3cret") == 200)
        // A larger body than the API takes is not read, whoever sends it.
        for (size, expected) in [(64, 403), (65, 413)] {
            let body = [UInt8](repeating: 0x20, count: size << 10)
            #expect(try await exchange(port, "/api/v1/silences", method: "POST", body: body).status == expected)
        }
        program.signal(SIGINT)
        let outcome = try await program.outcome()
        #expect(outcome.status == 0)
        #expect(!outcome.output.contains("s3cret"))
    }

    @Test("reads tokens from changed files, and a missing file grants no access")
    func replacedTokens() async throws {
        try await withFiles(["read": "old", "alice": "4lice"]) { folder in
            let file = #"{"endpoints": "127.0.0.1:1", "apiAdminTokens": {"aliceFile": "\#(folder)/alice"}}"#
            try Data(file.utf8).write(to: URL(fileURLWithPath: "\(folder)/m.json"))
            let flags = ["--config=\(folder)/m.json", "--api-port=0", "--api-token-file=\(folder)/read"]
            let program = try RunningProgram(flags)
            let port = try await program.printed(/Serving at http:\/\/127\.0\.0\.1:(\d+)\/\n/)
            func statuses() async throws -> [Int] {
                var found: [Int] = []
                for token in [nil, "old", "new", "4lice"] {
                    found.append(try await status(port, "/api/v1/findings", token: token))
                }
                return found
            }
            #expect(try await statuses() == [401, 200, 401, 200])
            try Data("new\n".utf8).write(to: URL(fileURLWithPath: "\(folder)/read"))
            #expect(try await statuses() == [401, 401, 200, 200])
            for name in ["read", "alice"] { try FileManager.default.removeItem(atPath: "\(folder)/\(name)") }
            #expect(try await statuses() == [401, 401, 401, 401])
            // To read a pipe waits for a writer. A request without a token reads no file.
            try #require(mkfifo("\(folder)/read", 0o600) == 0)
            #expect(try await status(port, "/api/v1/findings") == 401)
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
        }
    }

    @Test("serves TLS, and requires client certificates if that is configured")
    func tls() async throws {
        let authority = try TestCertificateAuthority()
        let (certificate, client) = (try authority.issue("monitor"), try authority.issue("client"))
        let files = ["ca": authority.certificate, "cert": certificate.certificate, "key": certificate.key]
        try await withFiles(files) { folder in
            let program = try RunningProgram([
                "--endpoints=127.0.0.1:1", "--api-port=0", "--api-cert=\(folder)/cert", "--api-key=\(folder)/key",
                "--api-client-ca=\(folder)/ca",
            ])
            let port = try await program.printed(/Serving at https:\/\/127\.0\.0\.1:(\d+)\/\n/)
            var tls = TLSConfiguration(trustedCertificates: .text(authority.certificate))
            await #expect(throws: HTTPClientError.self, "control") { try await exchange(port, "/healthz", tls: tls) }
            tls.certificateChain = .text(client.certificate)
            tls.privateKey = .text(client.key)
            #expect(try await exchange(port, "/healthz", tls: tls).status == 200)
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)

            let outcome = try await RunningProgram([
                "--endpoints=127.0.0.1:1", "--api-port=0", "--api-cert=\(folder)/none", "--api-key=\(folder)/key",
            ]).outcome()
            #expect(outcome.status == 70)
            #expect(outcome.errors.contains("\(folder)/none"), "\(outcome.errors)")
        }
    }

    @Test("starts three members of etcd for a demonstration, and ends them")
    func demo() async throws {
        let program = try RunningProgram(["--demo", "--api-port=0", "--health-check-interval=200ms"])
        _ = try await program.printed(/ok        (3 members, leader etcd\d-\S+)\n/)
        let members = program.output.matches(of: /is the process (\d+)/).compactMap { Int32($0.output.1) }
        #expect(members.count == 3)
        for member in members { #expect(kill(member, 0) == 0, "control") }
        program.signal(SIGTERM)
        #expect(try await program.outcome().status == 0)
        for member in members { #expect(kill(member, 0) == -1) }
    }

    // MARK: Requests

    private func body(_ port: String, _ path: String) async throws -> String {
        let response = try await exchange(port, path)
        guard case .bytes(let bytes) = response.body else { return "" }
        return String(decoding: bytes, as: UTF8.self)
    }

    private func status(_ port: String, _ path: String, token: String? = nil) async throws -> Int {
        var headers = HTTPHeaders()
        if let token { headers["Authorization"] = "Bearer \(token)" }
        return try await exchange(port, path, headers).status
    }

    private func exchange(
        _ port: String,
        _ path: String,
        _ headers: HTTPHeaders = [:],
        method: String = "GET",
        body: [UInt8] = [],
        tls: TLSConfiguration? = nil
    ) async throws -> HTTPResponse {
        try await HTTPClient(tls: tls).send(
            method,
            path,
            headers: headers,
            body: body,
            at: Endpoint("127.0.0.1:\(port)"),
            timeout: .seconds(10),
            maximumBody: 1 << 20
        ).response
    }
}
