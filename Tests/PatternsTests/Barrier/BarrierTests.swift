// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("Barrier", .cluster, .timeLimit(.minutes(2)))
struct BarrierTests {
    @Test("all waiters wait until a raised barrier is lowered")
    func gate() async throws {
        try await withSession { session, name in
            let gate = try Barrier("\(name)", on: .session(session))
            try await gate.wait()
            let closing = try #require(try await gate.raise())
            #expect(try await gate.raise() == nil)
            await expectError(.deadlineExceeded) { try await gate.wait(timeout: .milliseconds(100)) }
            let passed = Lock(0)
            let waiters = (0..<5).map { _ in
                Task {
                    try await Barrier("\(name)", on: .client(session.client)).wait()
                    passed.withLock { $0 += 1 }
                }
            }
            waiters[4].cancel()
            await expectCancellation { try await waiters[4].value }
            try await closing.guarded(then: [.put(name + "-data", "ready")])
            #expect(passed.withLock { $0 } == 0)
            try await closing.lower()
            for waiter in waiters.dropLast() { try await waiter.value }
            #expect(!closing.isHeld)
            await expectLoss(.released) { try await closing.lower() }
            // The name can be used again.
            let result = try await gate.withRaised { _ in
                await expectError(.deadlineExceeded) { try await gate.wait(timeout: .milliseconds(50)) }
                return 1
            }
            #expect(result == 1)
            try await gate.wait()
            #expect(try await session.client.range(.prefix(name + "/")).count == 0)
            try await session.client.delete(name + "-data")
        }
    }

    @Test(
        "a barrier whose holder dies or fails lets no task pass, and another can raise it again",
        arguments: [true, false]
    )
    func broken(dies: Bool) async throws {
        try await withSession { session, name in
            struct Failure: Error {}
            let gate = try Barrier("\(name)", on: .session(session))
            let own = try await Session(session.client)
            var doomed = try Barrier("\(name)", on: .session(own))
            doomed.owner = "the closer"
            let isClosed = Lock(false)
            let closing = Task { [doomed] in
                try await doomed.withRaised { _ in
                    isClosed.withLock { $0 = true }
                    if dies { try await Task.sleep(for: .seconds(60)) }
                    // Only once there are waiters.
                    try await eventually("go") { isClosed.withLock { !$0 } }
                    throw Failure()
                }
            }
            try await eventually("it is closed") { isClosed.withLock { $0 } }
            let waiter = Task { try await gate.wait() }
            try await Task.sleep(for: .milliseconds(100))
            if dies { try await session.client.leases.revoke(own.lease.id) } else { isClosed.withLock { $0 = false } }
            let error = await #expect(throws: BarrierBroken.self) { try await waiter.value }
            #expect(error?.name == "\(name)" && error?.description.contains("\"the closer\"") == true)
            await #expect(throws: (any Error).self) { try await closing.value }
            await #expect(throws: BarrierBroken.self) { try await gate.wait() }

            // A participant that comes while another one repairs it waits again.
            let repairing = try #require(try await gate.raise())
            let second = Task { try await gate.wait() }
            await expectError(.deadlineExceeded) { try await gate.wait(timeout: .milliseconds(100)) }
            try await repairing.lower()
            try await second.value
            #expect(try await session.client.range(.prefix(name + "/")).count == 0)
            await own.close()
        }
    }

    @Test("a wait that etcd has not answered in time is told apart from one for a raised barrier")
    func withoutEtcd() async throws {
        try await withProxiedEtcd { proxy, client, witness in
            let raised = try #require(try await Barrier("gate", on: .client(witness)).raise())
            let gate = try Barrier("gate", on: .client(client.with(timeout: .milliseconds(500))))
            await expectError(.deadlineExceeded) { try await gate.wait(timeout: .seconds(2)) }
            await proxy.stall()
            let error = await #expect(throws: EtcdError.self) { try await gate.wait(timeout: .seconds(2)) }
            #expect(error?.code == .unavailable && error?.cause != nil, "\(error as Any)")
            await proxy.resume()
            try await raised.lower()
        }
    }

    @Test("a barrier that was lowered and raised again lets the earlier waiters pass")
    func reopened() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    try await withEtcdClient(endpoints: endpoint) { other in
                        try await other.withSession { session in
                            let gate = try Barrier("gate", on: .session(session))
                            let first = try #require(try await gate.raise())
                            let waiter = Task {
                                try await Barrier("gate", on: .client(client)).wait(timeout: .seconds(30))
                            }
                            try await eventually("it waits") {
                                try await cluster.members[0].metric("etcd_debugging_mvcc_watcher_total") ?? 0 >= 3
                            }
                            // The waiter gets both changes at once.
                            await proxy.stall(.toClient)
                            try await first.lower()
                            let second = try #require(try await gate.raise())
                            await proxy.resume()
                            try await waiter.value
                            // The control: a new caller waits.
                            await expectError(.deadlineExceeded) {
                                try await Barrier("gate", on: .client(client)).wait(timeout: .milliseconds(100))
                            }
                            try await second.lower()
                        }
                    }
                }
            }
        }
    }

    @Test("an invalid name is refused")
    func refusals() async throws {
        try await withSession { session, _ in
            #expect(throws: EtcdError.self) { try Barrier("", on: .session(session)) }
        }
    }
}
