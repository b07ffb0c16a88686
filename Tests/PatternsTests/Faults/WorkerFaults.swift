// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

@testable import PatternsWorker

extension WorkerFleet {
    /// Harms all workers for a time, and then stops; returns how often each fault has come.
    ///
    /// A `moment` is the report of a worker at its most vulnerable moment.
    func harm(
        for duration: Duration,
        at moment: WorkerEvent.Kind,
        seed: UInt64
    ) async throws -> [WorkerFault: Int] {
        let end = ContinuousClock.now + duration
        return try await withThrowingTaskGroup(of: [WorkerFault: Int].self) { group in
            for (number, place) in places.enumerated() {
                group.addTask {
                    var faults = WorkerFaults(seed: seed, place: number)
                    try await faults.play(at: place, moment, until: end)
                    return faults.counts
                }
            }
            return try await group.reduce(into: [:]) { $0.merge($1, uniquingKeysWith: +) }
        }
    }

    /// Waits until each worker makes a new report of this kind.
    func awaitNews(_ kind: WorkerEvent.Kind) async throws {
        let seen = places.map { $0.current?.events.count { $0.kind == kind } ?? 0 }
        try await eventually(within: .seconds(60), "each worker reports \(kind)") {
            zip(places, seen).allSatisfy { place, seen in
                (place.current?.events.count { $0.kind == kind } ?? 0) > seen
            }
        }
    }
}

/// A fault of a worker.
enum WorkerFault: String, Sendable, CaseIterable {
    /// It stands still, and cannot notice that.
    case frozen
    /// It ends at once, and another one comes.
    case killed
    /// Nothing passes for a while; then all of it does, late.
    case stalled
    /// Its requests arrive late.
    case requestsStalled
    /// Its requests arrive at once, the answers late.
    case answersStalled
    /// Bytes that pass are lost, until the connections break.
    case unreachable
    /// Its requests arrive, the answers are lost, and the connections break.
    case answersLost
    /// Its connections break.
    case reset
    /// Everything takes long.
    case slow
}

/// The faults of the worker in one place, and when: the same for the same seed, but for how fast the worker is.
struct WorkerFaults: Sendable {
    private var generator: SplitMix64
    /// The next fault; all come before one comes again.
    private var deck: [WorkerFault]
    private(set) var counts: [WorkerFault: Int] = [:]

    init(seed: UInt64, place: Int) {
        generator = SplitMix64(seed: seed &* 1_000 &+ UInt64(place))
        // The most important faults are not left to chance.
        deck = [[.frozen, .requestsStalled], [.killed, .frozen], [.stalled, .killed], [.answersLost]][place % 4]
    }

    /// Harms the worker until `end`, and then stops.
    ///
    /// Often that happens at its most vulnerable moment.
    mutating func play(
        at place: WorkerPlace,
        _ moment: WorkerEvent.Kind,
        until end: ContinuousClock.Instant
    ) async throws {
        var isFirst = true
        while true {
            // Longer or shorter than the lease lives.
            let length = Duration.milliseconds(isFirst ? 4_000 : Int.random(in: 300...4_500, using: &generator))
            let isTimed = isFirst || Bool.random(using: &generator)
            if deck.isEmpty { deck = WorkerFault.allCases.shuffled(using: &generator) }
            let fault = deck.removeFirst()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...4_000, using: &generator)))
            if isTimed { await Self.await(moment, of: place.current) }
            if .now + length > end { return }
            counts[fault, default: 0] += 1
            try await Self.harm(place, fault, for: length)
            isFirst = false
        }
    }

    private static func await(_ moment: WorkerEvent.Kind, of worker: WorkerProcess?) async {
        let deadline = ContinuousClock.now + .seconds(6)
        let seen = worker?.events.count ?? 0
        while .now < deadline, let events = worker?.events {
            if events.count > seen, events.last?.kind == moment { return }
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    private static func harm(_ place: WorkerPlace, _ fault: WorkerFault, for length: Duration) async throws {
        let proxy = place.proxy
        switch fault {
        case .frozen:
            try await place.current?.freeze()
            try await Task.sleep(for: length)
            place.current?.thaw()
        case .killed:
            try await place.current?.kill()
            try place.start()
        case .stalled, .requestsStalled, .answersStalled:
            await proxy.stall(fault == .stalled ? .both : fault == .requestsStalled ? .toServer : .toClient)
            try await Task.sleep(for: length)
            await proxy.resume()
        case .unreachable, .answersLost:
            await proxy.blackhole(fault == .unreachable ? .both : .toClient)
            try await Task.sleep(for: length)
            await proxy.resume()
            // A connection that has lost bytes stays dead.
            await proxy.reset()
        case .reset:
            await proxy.reset()
        case .slow:
            await proxy.delay(.milliseconds(100) + length / 5)
            try await Task.sleep(for: length)
            await proxy.delay(.zero)
        }
    }
}
