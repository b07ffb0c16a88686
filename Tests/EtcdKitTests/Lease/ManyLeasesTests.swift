// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit

@Suite("Lease: thousands", .slow, .timeLimit(.minutes(5)))
struct ManyLeasesTests {
    private static let count = TestScale.pick(2_500, long: 10_000)
    private static let timeToLive = Duration.seconds(TestScale.pick(12, long: 30))
    /// Longer than the leases live alone.
    private static let duration = timeToLive + .seconds(8)

    @Test("thousands of leases are kept alive for long, through a restart of a member, and none is lost (etcd#11886)")
    func tenThousand() async throws {
        let events = EventLog()
        try await withEtcdCluster(members: 3) { cluster in
            try await withEtcdClient(events.configuration(cluster.endpoints)) { client in
                // Three members, their clients and other tests share a few cores: a thousand renewals a second are enough.
                let timeToLive = Self.timeToLive
                let renewals = Lock<[Lease.ID: Int]>([:])
                let control = try await client.leases.grant(timeToLive: timeToLive)
                let keeping = Task {
                    try await withThrowingTaskGroup { group in
                        for number in 0..<Self.count {
                            // Not all at once: the last leases would expire in the server's queue.
                            if number >= 200 { try await eventuallyGranted(number - 200, renewals) }
                            group.addTask {
                                let lease = try await client.leases.grant(timeToLive: timeToLive)
                                for try await state in client.leases.keepAlive(lease) where state.isActive {
                                    renewals.withLock { $0[lease.id, default: 0] += 1 }
                                }
                            }
                        }
                        try await group.waitForAll()
                    }
                }
                defer { keeping.cancel() }
                try await eventually(within: .seconds(200), "all are granted and renewed once") {
                    renewals.withLock { $0.count } == Self.count
                }
                let start = ContinuousClock.now
                let before = renewals.withLock { $0.values.reduce(0, +) }
                let cpuBefore = ProcessFigures.processorTime
                let busy = try #require(await client.core.leaseKeeper.streams.first?.endpoint)
                try await #require(cluster.members.first { $0.endpoint == busy.description }).restart()
                try await eventually(within: Self.duration + .seconds(10), "the time is over") {
                    .now - start >= Self.duration
                }
                let cpu = ProcessFigures.processorTime - cpuBefore
                let count = renewals.withLock { $0.values.reduce(0, +) } - before
                let streams = await client.core.leaseKeeper.streams.count
                let elapsed = ContinuousClock.now - start
                print("\(count) renewals in \(elapsed) over \(streams) streams took \(cpu) of processor time")

                #expect(events.losses.isEmpty)
                #expect(streams <= 8)
                // A new leader gives all leases their full time to live, and spreads the ends of so many.
                try await eventually(within: .seconds(60), "a lease that is left alone runs out") {
                    await client.isGone(control.id)
                }
                #expect(events.losses.isEmpty)
                // The server still has all of them.
                #expect(try await client.leases.list().count == Self.count)
                #expect(!events.failovers.isEmpty, "the restart has moved streams")
                if !ProcessFigures.isThreadSanitized { #expect(cpu < elapsed) }

                keeping.cancel()
                await expectError(.cancelled) { try await keeping.value }
                try await eventually("no stream is left open") { await client.openStreamCount == 0 }
            }
        }
    }

    private func eventuallyGranted(_ count: Int, _ renewals: Lock<[Lease.ID: Int]>) async throws {
        while renewals.withLock({ $0.count }) < count { try await Task.sleep(for: .milliseconds(2)) }
    }
}
