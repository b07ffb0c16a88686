// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

@Suite("DistributedLock: attempts at a held lock", .live, .timeLimit(.minutes(1)))
struct QueueHeadTests {
    @Test("only the first try after a change reads the queue; all results are right, and a free lock takes one request")
    func tries() async throws {
        try await withSession { session, name in
            let count = Lock(0)
            var configuration = session.client.configuration
            configuration.onEvent = { event in
                if case .callFinished(let call, _) = event, call.method.hasSuffix("/Txn") { count.withLock { $0 += 1 } }
            }
            let client = try EtcdClient(configuration)
            let own = try await Session(client, timeToLive: .seconds(30))
            // Runs it so many times, and counts the transactions.
            func transactions(_ times: Int, _ body: () async throws -> Void) async throws -> Int {
                count.withLock { $0 = 0 }
                for _ in 0..<times { try await body() }
                return count.withLock { $0 }
            }
            func isTaken() async throws {
                #expect(try await DistributedLock("\(name)", on: .session(own)).acquireIfAvailable() == nil)
            }

            let lock = try DistributedLock("\(name)", on: .session(session))
            let holder = try await lock.acquire()
            let waiter = Task { try await lock.acquire() }
            try await eventually("it waits") { try await lock.queue().count == 2 }
            #expect(try await transactions(1, isTaken) == 2, "one try reads the first key")
            #expect(try await transactions(5, isTaken) == 5, "the first key is known")
            await holder.release()
            let next = try await waiter.value
            #expect(try await transactions(5, isTaken) == 6, "there is another first key")
            // The same name in a namespace is another queue.
            let inner = try await Session(client.with(namespace: "inner-"), timeToLive: .seconds(30))
            let other = try #require(try await DistributedLock("\(name)", on: .session(inner)).acquireIfAvailable())
            await other.release()
            #expect(try await transactions(5, isTaken) == 5)
            await next.release()
            var grant: LockGrant?
            let requests = try await transactions(1) {
                grant = try await DistributedLock("\(name)", on: .session(own)).acquireIfAvailable()
            }
            #expect(requests == 1)
            let taken = try #require(grant)
            try await taken.guarded(then: [.put(name + "-x", "")])
            await taken.release()
            // The first key loses its lease while it is known.
            let last = try await lock.acquire()
            try await isTaken()
            try await session.client.put(last.key, "")
            await #expect(throws: QueueBlocked.self) { try await isTaken() }
            await last.release()
            try await session.client.delete(.prefix(name))
            await inner.close()
            await own.close()
            await client.close()
        }
    }
}
