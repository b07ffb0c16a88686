// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// The meaning of each answer to the question about a member's health.
@Suite("Endpoint: health checks", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct HealthCheckTests {
    /// Reads often from two members, of which one answers the question as `answer` does; returns how often it was read.
    private func reads(_ answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void) async throws -> Int {
        let odd = try FakeMember()
        odd.onCheck = answer
        let well = try FakeMember()
        return try await FakeMember.with([odd, well]) { client in
            try await eventually("both are connected") {
                _ = try await client.get("k")
                return client.core.channel.links.count == 2
            }
            let before = odd.callCount
            for _ in 0..<10 { _ = try await client.get("k") }
            #expect(odd.checkCount > 0)
            return odd.callCount - before
        }
    }

    @Test(
        "a refusal for want of a permission or a token means that the member is healthy",
        arguments: [
            "etcdserver: permission denied", "etcdserver: invalid auth token", "etcdserver: user name is empty",
            "auth: revision in header is old",
        ]
    )
    func refusal(text: String) async throws {
        for code in [GRPCStatus.Code.unknown, .permissionDenied, .unauthenticated, .invalidArgument] {
            let reads = try await reads { $0.refuse(code, text) }
            #expect(reads == 5, "\(code)")
        }
    }

    @Test(
        "after any other answer, the member gets calls only if there is no other member",
        arguments: [
            (.unimplemented, "unknown service etcdserverpb.Maintenance"), (.unavailable, "no healthy upstream"),
            (.permissionDenied, "RBAC: access denied"), (.unauthenticated, "who are you"), (.internal, "panic"),
            (.unavailable, "etcdserver: server stopped"), (.unknown, "etcdserver: corrupt cluster"),
        ] as [(GRPCStatus.Code, String)]
    )
    func other(code: GRPCStatus.Code, text: String) async throws {
        let reads = try await reads { $0.refuse(code, text) }
        #expect(reads == 0)
    }

    @Test(
        "after an HTTP status of a proxy, the endpoint is not healthy",
        arguments: ["401", "403", "404", "429", "500", "502", "503", "504"]
    )
    func httpStatus(status: String) async throws {
        let reads = try await reads { $0.send([(":status", status), ("content-type", "text/html")], isLast: true) }
        #expect(reads == 0)
    }

    @Test("an unhealthy endpoint is used when there is no better one")
    func lastResort() async throws {
        let members = [try FakeMember(), try FakeMember()]
        for member in members { member.onCheck = { $0.send([(":status", "503")], isLast: true) } }
        let entry = try await FakeMember.with(members) { try await $0.get("k") }
        #expect(entry == nil)
    }

    @Test("a client that is closed during a health check keeps no connection to the member")
    func closed() async throws {
        let silent = try FakeMember()
        silent.onCheck = { _ in }
        try await FakeMember.with([silent, try FakeMember()]) { client in
            try await eventually("it is asked how it is") {
                _ = try await client.get("k")
                return silent.checkCount > 0
            }
            await client.close()
            try await eventually("it was hung up on") { silent.server.connections.allSatisfy { !$0.isOpen } }
        }
    }

    @Test("a connection that ends during a health check counts as one failure, and its pause leaves nothing behind")
    func goAway() async throws {
        let leaving = try FakeMember()
        leaving.onCheck = { _ in
            leaving.server.connections.last?.session?.goAway(lastStreamID: .max)
        }
        let other = try FakeMember()
        let log = EventLog()
        try await FakeMember.with(
            [leaving, other],
            {
                log.attach(to: &$0)
                // Pauses of 10 ms, 1 s, a minute.
                $0.backoff = Backoff(initial: .milliseconds(10), maximum: .seconds(60), multiplier: 100, jitter: 0)
            }
        ) { client in
            _ = try await client.get("k")
            try await eventually("there was a second attempt") { leaving.checkCount == 2 }
            let second = ContinuousClock.now
            try await eventually("there was a third attempt") { leaving.checkCount == 3 }
            #expect(ContinuousClock.now - second >= .milliseconds(900))
            try await eventually("each was reported once") { log.failures == 3 }
        }
    }
}
