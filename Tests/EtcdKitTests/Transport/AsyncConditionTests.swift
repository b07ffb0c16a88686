// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("AsyncCondition", .unit, .timeLimit(.minutes(1)))
struct AsyncConditionTests {
    @Test("no wake is lost, however a change and a wait meet")
    func noLostWake() async {
        for _ in 0..<5_000 {
            let value = Lock(0)
            let condition = AsyncCondition()
            async let waiting: Void = wait(for: 2, value, condition)
            for _ in 0..<2 {
                value.withLock { $0 += 1 }
                condition.wakeAll()
            }
            await waiting
        }
    }

    private func wait(for count: Int, _ value: Lock<Int>, _ condition: AsyncCondition) async {
        while value.withLock({ $0 }) < count {
            let seen = value.withLock { $0 }
            await condition.wait { value.withLock { $0 != seen || $0 >= count } }
        }
    }

    @Test("a task that is cancelled returns alone, and the others go on waiting")
    func cancellation() async {
        let (condition, returned) = (AsyncCondition(), Lock<[Int]>([]))
        await withTaskGroup { group in
            let tasks = (0..<3).map { number in
                Task {
                    await condition.wait { false }
                    returned.withLock { $0.append(number) }
                }
            }
            for task in tasks { group.addTask { await task.value } }
            tasks[1].cancel()
            await tasks[1].value
            #expect(returned.withLock { $0 } == [1])
            // The others may not wait yet.
            while returned.withLock({ $0.count }) < 3 {
                condition.wakeAll()
                await Task.yield()
            }
        }
        await condition.wait { true }
    }

    @Test("a task is woken by its ID, each time that it waits")
    func wake() async {
        let (condition, count) = (AsyncCondition(), Lock(0))
        let id = condition.makeID()
        let task = Task {
            for _ in 0..<2 {
                await condition.wait(as: id) { false }
                count.withLock { $0 += 1 }
            }
        }
        // The task may not wait yet.
        while count.withLock({ $0 }) < 2 {
            condition.wake(id)
            await Task.yield()
        }
        await task.value
    }
}
