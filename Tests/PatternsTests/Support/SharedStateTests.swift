// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("SharedState and UpdateSequence", .unit, .timeLimit(.minutes(1)))
struct SharedStateTests {
    @Test("a wait returns at once, after its update, or when it is cancelled")
    func waits() async throws {
        let state = SharedState(1)
        #expect(try await state.wait { $0 == 1 ? "at once" : nil } == "at once")
        let waiters = (0..<10).map { number in
            Task { try await state.wait { $0 > number ? $0 : nil } }
        }
        let cancelled = Task { try await state.wait { $0 > 1000 ? $0 : nil } }
        for _ in 0..<20 { state.update { $0 += 1 } }
        for waiter in waiters { #expect(try await waiter.value > 0) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }

    @Test("a wait may change the state, so that one of several gets it")
    func turns() async throws {
        let isTaken = SharedState(false)
        let count = Lock((now: 0, most: 0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<20 {
                group.addTask {
                    try await isTaken.wait { isTaken -> Void? in
                        if isTaken { return nil }
                        isTaken = true
                        return ()
                    }
                    count.withLock { ($0.now, $0.most) = ($0.now + 1, max($0.most, $0.now + 1)) }
                    await Task.yield()
                    count.withLock { $0.now -= 1 }
                    isTaken.update { $0 = false }
                }
            }
            try await group.waitForAll()
        }
        #expect(count.withLock { $0.most } == 1)
    }

    @Test("each iteration of a sequence has a state of its own")
    func sequence() async {
        let sequence = UpdateSequence<Int, Never> {
            var number = 0
            return {
                number += 1
                return number > 3 ? nil : number
            }
        }
        for _ in 0..<2 {
            var seen: [Int] = []
            for await number in sequence { seen.append(number) }
            #expect(seen == [1, 2, 3])
        }
    }
}
