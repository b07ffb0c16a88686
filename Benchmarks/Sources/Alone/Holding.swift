// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Watches keys, puts each key once all watches are open, and waits for the events.
func holdWatches(_ client: EtcdClient, _ count: Int) async throws -> Figures {
    let start = ContinuousClock.now
    let (opened, opening) = AsyncStream.makeStream(of: Void.self)
    return try await withThrowingTaskGroup(of: Duration.self) { group in
        // Swift searches all children of a group for one that ends, so many children are spread over many groups.
        for first in stride(from: 0, to: count, by: 100) {
            group.addTask {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for number in first..<min(first + 100, count) {
                        group.addTask {
                            try await client.withWatch(.key(Key("alone/\(number)"))) { events in
                                opening.yield()
                                var events = events.makeAsyncIterator()
                                _ = try await events.next()
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                return .zero
            }
        }
        group.addTask {
            var openings = opened.makeAsyncIterator()
            for _ in 0..<count { await openings.next() }
            let openedIn = ContinuousClock.now - start
            for number in 0..<count { try await client.put(Key("alone/\(number)"), "changed") }
            return openedIn
        }
        let openedIn = try await group.reduce(.zero) { max($0, $1) }
        return ["open_s": openedIn / .seconds(1), "cpu_s": processorTime()]
    }
}

/// Grants leases of ten seconds, keeps them alive for ten seconds, and checks that all are alive.
func holdLeases(_ client: EtcdClient, _ count: Int) async throws -> Figures {
    let start = ContinuousClock.now
    let granters = 64
    return try await withThrowingTaskGroup(of: Duration.self) { group in
        for granter in 0..<granters {
            group.addTask {
                // An iterator keeps its lease alive, even if no task waits for its next state.
                var kept: [KeepAliveSequence.Iterator] = []
                for _ in stride(from: granter, to: count, by: granters) {
                    let lease = try await client.leases.grant(timeToLive: .seconds(10))
                    var states = client.leases.keepAlive(lease).makeAsyncIterator()
                    _ = try await states.next()
                    kept.append(states)
                }
                let openedIn = ContinuousClock.now - start
                try await Task.sleep(for: .seconds(10))
                // Throws if the lease is lost.
                for index in kept.indices { _ = try await kept[index].next() }
                return openedIn
            }
        }
        let openedIn = try await group.reduce(.zero) { max($0, $1) }
        return ["open_s": openedIn / .seconds(1), "cpu_s": processorTime()]
    }
}
