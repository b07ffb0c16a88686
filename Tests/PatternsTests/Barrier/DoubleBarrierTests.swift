// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("DoubleBarrier", .live, .timeLimit(.minutes(2)))
struct DoubleBarrierTests {
    @Test("participants enter together and leave together, in several rounds under one name")
    func rounds() async throws {
        try await withSession { session, name in
            let state = Lock((entering: 0, leaving: 0, early: 0))
            let rounds = 5
            let count = 4
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<count {
                    group.addTask {
                        let barrier =
                            number == 0
                            ? try DoubleBarrier("\(name)", count: count, on: .client(session.client))
                            : try DoubleBarrier("\(name)", count: count, on: .session(session))
                        for round in 1...rounds {
                            try await Task.sleep(for: .milliseconds(Int.random(in: 0...20)))
                            state.withLock { $0.entering += 1 }
                            try await barrier.withBarrier(timeout: .seconds(60)) { grant in
                                #expect(grant.isHeld)
                                state.withLock { if $0.entering < round * count { $0.early += 1 } }
                                try await Task.sleep(for: .milliseconds(Int.random(in: 0...20)))
                                state.withLock { $0.leaving += 1 }
                            }
                            state.withLock { if $0.leaving < round * count { $0.early += 1 } }
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(state.withLock { $0.early } == 0)
            #expect(state.withLock { $0.leaving } == rounds * count)
            #expect(try await session.client.range(.prefix(name + "/")).count == 0)
        }
    }

    @Test("a participant that is gone before the others have come is not counted")
    func crashOutside() async throws {
        try await withSession { session, name in
            let barrier = try DoubleBarrier("\(name)", count: 3, on: .session(session))
            let own = try await Session(session.client)
            let doomed = Task { try await DoubleBarrier("\(name)", count: 3, on: .session(own)).enter() }
            try await eventually("one waits") { try await session.client.range(.prefix(name)).count == 1 }
            let cancelled = Task { try await barrier.enter() }
            try await eventually("two wait") { try await session.client.range(.prefix(name)).count == 2 }
            cancelled.cancel()
            await expectCancellation { try await cancelled.value }
            try await session.client.leases.revoke(own.lease.id)
            await #expect(throws: CoordinationLoss.self) { try await doomed.value }
            await expectError(.deadlineExceeded) { try await barrier.enter(timeout: .milliseconds(100)) }

            let two = [Task { try await barrier.enter() }, Task { try await barrier.enter() }]
            try await eventually("two wait again") { try await session.client.range(.prefix(name)).count == 2 }
            try await Task.sleep(for: .milliseconds(100))
            let waiting = try await session.client.range(.prefix(name)).entries
            #expect(waiting.allSatisfy { $0.value == "3 waiting 0" }, "nobody is inside")
            let third = try await barrier.enter(timeout: .seconds(30))
            let grants = [third, try await two[0].value, try await two[1].value]
            try await withThrowingTaskGroup(of: Void.self) { group in
                for grant in grants { group.addTask { try await grant.leave() } }
                try await group.waitForAll()
            }
            #expect(grants.allSatisfy { !$0.isHeld })
            #expect(try await session.client.range(.prefix(name)).count == 0)
            await own.close()
        }
    }

    enum End: CaseIterable {
        case crashes, throwsError, leavesAndCrashes
    }

    @Test("a participant that is gone before the others are done breaks the round", arguments: End.allCases)
    func crashInside(end: End) async throws {
        try await withSession { session, name in
            struct Failure: Error {}
            let barrier = try DoubleBarrier("\(name)", count: 3, on: .session(session))
            let own = try await Session(session.client)
            let doomed = Task {
                let barrier = try DoubleBarrier("\(name)", count: 3, on: .session(own))
                let grant = try await barrier.enter()
                switch end {
                case .crashes: try await session.client.leases.revoke(own.lease.id)
                case .throwsError: await grant.release()
                case .leavesAndCrashes: try await grant.leave()
                }
            }
            let others = [Task { try await barrier.enter() }, Task { try await barrier.enter() }]
            let grants = [try await others[0].value, try await others[1].value]
            let leaver = Task { try await grants[0].leave() }
            if end == .leavesAndCrashes {
                try await eventually("two are done") {
                    let entries = try await session.client.range(.prefix(name)).entries
                    return entries.count { $0.value.string?.contains("leaving") == true } == 2
                }
                try await session.client.leases.revoke(own.lease.id)
            }
            _ = await doomed.result
            await #expect(throws: BarrierBroken.self) { try await leaver.value }
            // A participant that leaves later gets the same error.
            await #expect(throws: BarrierBroken.self) { try await grants[1].leave() }
            #expect(try await session.client.range(.prefix(name)).count == 0)

            // The next round is not affected.
            try await withThrowingTaskGroup(of: Void.self) { group in
                for _ in 0..<3 { group.addTask { try await barrier.withBarrier(timeout: .seconds(30)) { _ in } } }
                try await group.waitForAll()
            }
            await own.close()
        }
    }

    @Test("a participant with another count is refused, and a foreign key is named")
    func strangers() async throws {
        try await withSession { session, name in
            // The key of a participant of three, which does not check the others itself.
            try await session.client.put(name + "/three", BarrierMember.value(3, .waiting))
            await expectError(.invalidArgument) {
                try await DoubleBarrier("\(name)", count: 2, on: .session(session)).enter()
            }
            try await session.client.delete(name + "/three")
            try await session.client.put(name + "/stranger", "what?")
            let error = await #expect(throws: EtcdError.self) {
                try await DoubleBarrier("\(name)", count: 1, on: .session(session)).enter()
            }
            #expect(error?.message.contains("\(name)/stranger") == true && error?.message.contains("what?") == true)
            try await session.client.delete(name + "/stranger")
            try await DoubleBarrier("\(name)", count: 1, on: .session(session)).withBarrier { _ in }
            #expect(throws: EtcdError.self) { try DoubleBarrier("", count: 1, on: .session(session)) }
            #expect(throws: EtcdError.self) { try DoubleBarrier("\(name)", count: 0, on: .session(session)) }
            #expect(throws: EtcdError.self) { try DoubleBarrier("\(name)", count: 129, on: .session(session)) }
            #expect(try await session.client.range(.prefix(name)).count == 0)
        }
    }
}
