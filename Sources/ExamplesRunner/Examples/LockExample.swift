// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let lock = Example(
        name: "lock",
        summary: "one at a time, and what a lock that was lost can still do"
    ) { context in
        let client = context.client
        let (name, data) = ("\(context.prefix)report", context.prefix + "data")

        // Each acquisition has a session of its own here, as if it were another process.
        func participant(_ owner: Value) throws -> DistributedLock {
            var lock = try DistributedLock(name, on: .client(client))
            lock.owner = owner
            return lock
        }
        let lock = try participant("first")
        let first = try await lock.acquire()
        context.say("first has the lock, with the token \(first.fencingToken)")
        let attempt = try await lock.acquireIfAvailable()
        context.say("a caller that does not wait \(attempt == nil ? "is refused" : "has it, too")")
        try context.expect(attempt == nil, "a lock that is held is refused")

        async let acquisition = participant("second").acquire()
        while try await lock.queue().count < 2 { try await Task.sleep(for: .milliseconds(5)) }
        context.say("in the queue are \(try await lock.queue().map(\.owner))")
        await first.release()
        let second = try await acquisition
        context.say("first has released it, so second has it, with the token \(second.fencingToken)")
        try context.expect(second.fencingToken > first.fencingToken, "tokens rise")
        try await second.guarded(then: [.put(data, "of second")])

        // As if second had been stopped for so long that its lease has run out.
        try await client.delete(second.key)
        let loss = try await second.lost
        let third = try await participant("third").acquire()
        try await third.guarded(then: [.put(data, "of third")])
        context.say("second has lost it (\(loss.reason)), and third has it")
        // It may not know that yet, but the server does: each guarded write has this condition.
        let late = try await client.transaction(if: [second.isCurrent], then: [.put(data, "late, of second")])
        let value = try await client.get(data)?.value ?? "nothing"
        context.say("a late write of second is \(late.succeeded ? "accepted" : "refused"): the data are \(value)")
        try context.expect(!late.succeeded && value == "of third", "the server refuses a holder that has lost the lock")
        await third.release()
        await second.release()
    }
}
