// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdPatterns

@Suite("ReadWriteLock", .live, .timeLimit(.minutes(2)))
struct ReadWriteLockTests {
    @Test("readers are inside together, and a writer is served before readers that came later")
    func order() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let early = [try await lock.reading.acquire(), try await lock.reading.acquire()]
            let writer = Task { try await lock.writing.acquire() }
            try await eventually("the writer waits") { try await lock.queue().count == 3 }
            let late = (0..<3).map { _ in Task { try await lock.reading.acquire() } }
            try await eventually("more readers wait") { try await lock.queue().count == 6 }
            #expect(try await lock.queue().map(\.isShared) == [true, true, false, true, true, true])
            #expect(try await lock.reading.acquireIfAvailable() == nil, "a writer waits")
            #expect(try await lock.writing.acquireIfAvailable() == nil)

            for grant in early {
                #expect(try await lock.queue().contains { $0.key == grant.key })
                await grant.release()
            }
            let writing = try await writer.value
            #expect(try await lock.queue().map(\.key).first == writing.key)
            await writing.release()
            var readers: [LockGrant] = []
            for task in late { readers.append(try await task.value) }
            #expect(readers.allSatisfy { $0.isHeld && $0.fencingToken > writing.fencingToken })
            let another = try #require(try await lock.reading.acquireIfAvailable(), "readers only")
            for grant in readers + [another] { await grant.release() }
            #expect(try await lock.queue().isEmpty)
        }
    }

    @Test("a waiting writer that gives up lets the readers behind it in")
    func writerGivesUp() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let reader = try await lock.reading.acquire()
            let writer = Task { try await lock.writing.acquire() }
            try await eventually("the writer waits") { try await lock.queue().count == 2 }
            let second = Task { try await lock.reading.acquire() }
            try await eventually("the reader waits") { try await lock.queue().count == 3 }
            writer.cancel()
            await expectCancellation { try await writer.value }
            await (try await second.value).release()
            #expect(reader.isHeld)
            await reader.release()
        }
    }

    @Test("a plain lock, and etcdctl, count as writers")
    func plainLocks() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let plain = try await DistributedLock("\(name)", on: .session(session)).acquire()
            let reader = Task { try await lock.reading.acquire() }
            try await eventually("the reader waits") { try await lock.queue().count == 2 }
            let etcdctl = try await EtcdCtl(["lock", "\(name)"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl waits") { try await lock.queue().count == 3 }
            await plain.release()
            let reading = try await reader.value
            #expect(etcdctl.output.isEmpty)
            await reading.release()
            try await eventually("etcdctl has the lock") { etcdctl.output.contains("\(name)/") }
            #expect(try await lock.reading.acquireIfAvailable() == nil)
            try await etcdctl.interrupt()
        }
    }

    @Test("a writer never holds the lock together with another, also when waiters give up")
    func invariant() async throws {
        try await withSession { session, name in
            let lock = try ReadWriteLock("\(name)", on: .session(session))
            let inside = Lock((readers: 0, writers: 0, company: 0, most: 0))
            await withTaskGroup(of: Void.self) { group in
                for number in 0..<24 {
                    group.addTask {
                        for _ in 0..<6 {
                            let isWriter = Int.random(in: 0..<4) == 0
                            let body: @Sendable (LockGrant) async throws -> Void = { _ in
                                inside.withLock { state in
                                    if isWriter { state.writers += 1 } else { state.readers += 1 }
                                    if state.writers > 0 && state.readers + state.writers > 1 { state.company += 1 }
                                    state.most = max(state.most, state.readers)
                                }
                                try? await Task.sleep(for: .microseconds(Int.random(in: 0...2_000)))
                                inside.withLock { state in
                                    if isWriter { state.writers -= 1 } else { state.readers -= 1 }
                                }
                            }
                            let task = Task {
                                if isWriter {
                                    try await lock.writing.withLock(body)
                                } else {
                                    try await lock.reading.withLock(body)
                                }
                            }
                            if number % 4 == 0 {
                                try? await Task.sleep(for: .microseconds(Int.random(in: 0...20_000)))
                                task.cancel()
                            }
                            _ = await task.result
                        }
                    }
                }
            }
            let seen = inside.withLock { $0 }
            #expect(seen.company == 0)
            #expect(seen.most > 1, "the control: readers were together")
            #expect(try await lock.queue().isEmpty)
        }
    }
}
