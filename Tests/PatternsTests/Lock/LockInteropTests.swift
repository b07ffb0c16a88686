// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("DistributedLock: shared with etcdctl", .live, .timeLimit(.minutes(2)))
struct LockInteropTests {
    @Test("we wait for a lock that etcdctl holds")
    func etcdctlFirst() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let etcdctl = try await EtcdCtl(["lock", "\(name)"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl has the lock") { etcdctl.output.contains("\(name)/") }
            #expect(try await lock.acquireIfAvailable() == nil)
            await expectBusy { try await lock.acquire(timeout: .milliseconds(200)) }
            let waiter = Task { try await lock.acquire() }
            try await eventually("we wait") { try await lock.queue().count == 2 }
            try await etcdctl.interrupt()
            await (try await waiter.value).release()
        }
    }

    @Test("etcdctl waits for a lock that we hold")
    func etcdctlSecond() async throws {
        try await withSession { session, name in
            let lock = try DistributedLock("\(name)", on: .session(session))
            let grant = try await lock.acquire()
            let etcdctl = try await EtcdCtl(["lock", "\(name)"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl waits") { try await lock.queue().count == 2 }
            #expect(etcdctl.output.isEmpty)
            await grant.release()
            try await eventually("etcdctl has the lock") { etcdctl.output.contains("\(name)/") }
            try await etcdctl.interrupt()
            #expect(try await lock.queue().isEmpty)
        }
    }

    @Test("the waiters of etcdctl and ours are served in one order")
    func mixed() async throws {
        try await withSession { session, name in
            let endpoint = try await liveEndpoint()
            let lock = try DistributedLock("\(name)", on: .session(session))
            let first = try await lock.acquire()
            var ours: [Task<LockGrant, any Error>] = []
            var theirs: [EtcdCtl] = []
            for number in 0..<3 {
                theirs.append(try await EtcdCtl(["lock", "\(name)"], endpoint: endpoint))
                try await eventually("etcdctl waits") { try await lock.queue().count == 2 * number + 2 }
                ours.append(Task { try await lock.acquire() })
                try await eventually("we wait") { try await lock.queue().count == 2 * number + 3 }
            }
            let order = try await lock.queue().map(\.key)
            await first.release()
            for (number, (etcdctl, waiter)) in zip(theirs, ours).enumerated() {
                let (their, our) = (order[2 * number + 1], order[2 * number + 2])
                try await eventually("etcdctl's turn") { etcdctl.output.contains("\(their)") }
                #expect(try await lock.queue().first?.key == their)
                #expect(theirs.dropFirst(number + 1).allSatisfy { $0.output.isEmpty })
                try await etcdctl.interrupt()
                let grant = try await waiter.value
                #expect(grant.key == our)
                #expect(try await lock.queue().first?.key == our)
                await grant.release()
            }
            #expect(try await lock.queue().isEmpty)
        }
    }
}
