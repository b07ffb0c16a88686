// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("The health check of etcd-monitor", .cluster, .timeLimit(.minutes(2)))
struct AliveTests {
    @Test("reports whether the monitor with the same settings works", arguments: [false, true])
    func alive(isSecure: Bool) async throws {
        let authority = try TestCertificateAuthority()
        let certificate = try authority.issue("monitor")
        let files = ["ca": authority.certificate, "cert": certificate.certificate, "key": certificate.key]
        try await withFiles(files) { folder in
            let tls = ["--api-cert=\(folder)/cert", "--api-key=\(folder)/key", "--api-client-ca=\(folder)/ca"]
            // It listens on all addresses, and requires a token: the check works with both.
            let flags = ["--api-host=0.0.0.0"] + (isSecure ? tls : [])
            let environment = ["ETCD_MONITOR_API_TOKEN": "s3cret"]
            let program = try RunningProgram(
                ["--endpoints=127.0.0.1:1", "--api-port=0"] + flags,
                environment: environment
            )
            let port = try await program.printed(/Serving at https?:\/\/0\.0\.0\.0:(\d+)\/\n/)
            let check = ["--alive", "--api-port=\(port)"] + flags
            let alive = try await RunningProgram(check, environment: environment).outcome()
            #expect(alive.status == 0 && alive.output == "ok\n", "\(alive)")
            program.signal(SIGTERM)
            #expect(try await program.outcome().status == 0)
            let dead = try await RunningProgram(check, environment: environment).outcome()
            #expect(dead.status == 1 && dead.output.contains("127.0.0.1:\(port)"), "\(dead)")
        }
    }

    @Test("fails for a monitor that answers, but does not poll")
    func stopped() async throws {
        let body = Array("[-]main failed: the polls have stopped\u{1b}\nfailed\n".utf8)
        let server = HTTPServer { _ in HTTPResponse(503, headers: [:], .bytes(body)) }
        let (ports, port) = AsyncStream.makeStream(of: UInt16.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await server.run { port.yield($0) } }
            for await number in ports {
                let check = try HealthCheck(host: "127.0.0.1", port: number, certificate: nil)
                let expected = "127.0.0.1:\(number) answers 503: [-]main failed: the polls have stopped; failed"
                #expect(await check.failure() == expected)
                break
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }
}
