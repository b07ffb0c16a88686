// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Endpoint: probes by TCP", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct TCPProbeTests {
    @Test("a server that accepts and says nothing is waited for no longer than the timeout")
    func silence() async throws {
        let server = try FakeServer(.silent)
        defer { server.stop() }
        func probe(until isEnough: @escaping @Sendable ([UInt8]) -> Bool) async throws -> [UInt8] {
            try await TCPProbe.run(
                host: "127.0.0.1",
                port: server.port,
                sending: [1],
                timeout: .milliseconds(200),
                until: isEnough
            )
        }
        let start = ContinuousClock.now
        await expectError(.deadlineExceeded) { try await probe { !$0.isEmpty } }
        #expect(.now - start >= .milliseconds(200))
        // The control: it can be reached.
        #expect(try await probe { _ in true }.isEmpty)
    }
}
