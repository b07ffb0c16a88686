// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import PatternsWorker

/// Something bad that happens to a worker.
enum WorkerFault: String, Sendable, CaseIterable {
    /// It stands still, and so does its clock for all it can see.
    case frozen
    /// It ends at once, and another one comes.
    case killed
    /// Nothing passes for a while; then all of it does, late.
    case stalled
    /// Its requests arrive late.
    case requestsStalled
    /// Its requests arrive at once, the answers late.
    case answersStalled
    /// What passes is lost, until the connections break.
    case unreachable
    /// Its requests arrive, the answers are lost, and the connections break.
    case answersLost
    /// Its connections break.
    case reset
    /// Everything takes long.
    case slow
}

/// What happens to the worker in one place, and when: the same for the same seed, but for how fast the worker is.
struct WorkerFaults: Sendable {
    private var generator: SeededGenerator
    /// What comes next; all come before one comes again.
    private var deck: [WorkerFault]
    private(set) var counts: [WorkerFault: Int] = [:]

    init(seed: UInt64, place: Int) {
        generator = SeededGenerator(seed: seed &* 1_000 &+ UInt64(place))
        // Those without which the rest would prove little are not left to chance.
        deck = [[.frozen, .requestsStalled], [.killed, .frozen], [.stalled, .killed], [.answersLost]][place % 4]
    }

    /// Harms the worker until `end`, and leaves it in peace then.
    ///
    /// Often that happens when it has the lock, has read, and is about to write.
    mutating func play(at place: WorkerPlace, until end: ContinuousClock.Instant) async throws {
        var isFirst = true
        while true {
            // Longer than the lease lives, or not.
            let length = Duration.milliseconds(isFirst ? 4_000 : Int.random(in: 300...4_500, using: &generator))
            let isTimed = isFirst || Bool.random(using: &generator)
            if deck.isEmpty { deck = WorkerFault.allCases.shuffled(using: &generator) }
            let fault = deck.removeFirst()
            try await Task.sleep(for: .milliseconds(Int.random(in: 0...2_500, using: &generator)))
            if isTimed { await Self.awaitCriticalMoment(of: place.current) }
            if .now + length > end { return }
            counts[fault, default: 0] += 1
            try await Self.harm(place, fault, for: length)
            isFirst = false
        }
    }

    private static func awaitCriticalMoment(of worker: WorkerProcess?) async {
        let deadline = ContinuousClock.now + .seconds(6)
        let seen = worker?.events.count ?? 0
        while .now < deadline, let events = worker?.events {
            if events.count > seen, events.last?.kind == .read { return }
            try? await Task.sleep(for: .milliseconds(2))
        }
    }

    static func harm(_ place: WorkerPlace, _ fault: WorkerFault, for length: Duration) async throws {
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
            // What has lost bytes stays dead.
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
