// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import PatternsWorker

/// Five processes that increment one number under a lock while they are frozen, killed and cut off.
@Suite("Counter under faults", .timeLimit(.minutes(PatternRun.minutes)))
struct CounterRunTests {
    @Test("with the guard, the number is what was acknowledged")
    func guarded() async throws {
        let history = try await Self.run(.count, seconds: PatternRun.seconds ?? 15)
        #expect(history.violations.isEmpty, "\(history.summary)")
        #expect(history.acknowledged.count > 10)
        #expect(history.acknowledged.count <= history.final)
        #expect(history.final <= history.acknowledged.count + history.unresolved.count)
    }

    @Test("the control: without the guard, increments are lost")
    func unguarded() async throws {
        let history = try await Self.run(.countUnguarded, seconds: 12)
        #expect(history.violations.contains(.noIncrementIsLost), "\(history.summary)")
        #expect(history.acknowledged.count > history.final, "\(history.summary)")
        // By the clock there is one holder at a time here, too; only that the clock is not proof.
        #expect(!history.violations.contains(.oneHolderAtATime))
    }

    private static func run(_ role: WorkerOrder.Role, seconds: Int) async throws -> CounterHistory {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            let order = WorkerOrder(role, endpoint, "counter", timeToLive: .seconds(2))
            return try await WorkerFleet.lend(5, order) { fleet in
                let end = ContinuousClock.now + .seconds(seconds)
                let counts = try await withThrowingTaskGroup(of: [WorkerFault: Int].self) { group in
                    for (number, place) in fleet.places.enumerated() {
                        group.addTask {
                            var faults = WorkerFaults(seed: PatternRun.seed, place: number)
                            try await faults.play(at: place, until: end)
                            return faults.counts
                        }
                    }
                    return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
                }
                try await fleet.awaitProgress()
                for place in fleet.places {
                    #expect(place.current?.isRunning == true, "a worker has ended by itself")
                    try await place.current?.kill()
                }
                #expect(fleet.otherLines.isEmpty, "\(fleet.otherLines.prefix(5))")
                return try await withEtcdClient(endpoints: endpoint) { client in
                    let history = try await CounterHistory(fleet.histories, of: order.name, client)
                    let listing = counts.sorted { $0.key.rawValue < $1.key.rawValue }
                        .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
                    print("\(role), \(seconds) s, seed \(PatternRun.seed): \(listing)\n  \(history.summary)")
                    return history
                }
            }
        }
    }
}

extension WorkerFleet {
    /// Waits until each worker has come to something once more: all of them have recovered.
    fileprivate func awaitProgress() async throws {
        let before = places.map { $0.current?.events.count { $0.kind == .acknowledged } ?? 0 }
        try await eventually(within: .seconds(60), "all increment again") {
            zip(places, before).allSatisfy { place, count in
                place.current.map { $0.events.count { $0.kind == .acknowledged } > count } ?? false
            }
        }
    }
}
