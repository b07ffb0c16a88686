// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("Queue: its gate", .unit, .timeLimit(.minutes(1)))
struct JoinGateTests {
    @Test("a gate admits as many tasks as its width, also after some give up, and each queue has its own gate")
    func width() async throws {
        let gate = JoinGate()
        let (inside, most, passed) = (Lock(0), Lock(0), Lock(0))
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<400 {
                group.addTask {
                    let task = Task {
                        try await gate.pass("q", within: Lifetime()) {
                            let now = inside.withLock {
                                $0 += 1
                                return $0
                            }
                            most.withLock { $0 = max($0, now) }
                            try? await Task.sleep(for: .microseconds(Int.random(in: 0...2_000)))
                            inside.withLock { $0 -= 1 }
                            passed.withLock { $0 += 1 }
                        }
                    }
                    if number % 2 == 0 {
                        try? await Task.sleep(for: .microseconds(Int.random(in: 0...20_000)))
                        task.cancel()
                        _ = await task.result
                    } else {
                        try await task.value
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(most.withLock { $0 } == JoinGate.width && inside.withLock { $0 } == 0)
        #expect((200...400).contains(passed.withLock { $0 }))
        // All places are free again, also after a failure.
        for _ in 0...JoinGate.width {
            await #expect(throws: CancellationError.self) {
                try await gate.pass("q", within: Lifetime()) { throw CancellationError() }
            }
        }
        try await withThrowingDiscardingTaskGroup { group in
            let full = Lock(0)
            for _ in 0..<JoinGate.width {
                group.addTask {
                    try await gate.pass("q", within: Lifetime()) {
                        full.withLock { $0 += 1 }
                        try await eventually("another queue was passed") { full.withLock { $0 } > JoinGate.width }
                    }
                }
            }
            try await eventually("it is full") { full.withLock { $0 } == JoinGate.width }
            let waiter = Task { try await gate.pass("q", within: Lifetime()) {} }
            try await gate.pass("other", within: Lifetime()) { full.withLock { $0 += 1 } }
            try await waiter.value
        }
    }
}
