// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("Lifetime", .live)
struct LifetimeTests {
    private let start = ContinuousClock.now

    @Test("a lifetime ends at its deadline, which can be extended before, and not after")
    func deadline() {
        let lifetime = Lifetime(until: start + .seconds(100))
        #expect(lifetime.loss(at: start + .seconds(99)) == nil)
        #expect(lifetime.extend(to: start + .seconds(200), at: start + .seconds(99)))
        #expect(lifetime.loss(at: start + .seconds(199)) == nil)
        // A renewal that is older than the last one changes nothing.
        #expect(lifetime.extend(to: start + .seconds(150), at: start + .seconds(149)))
        #expect(lifetime.loss(at: start + .seconds(199)) == nil)
        #expect(!lifetime.extend(to: start + .seconds(300), at: start + .seconds(200)))
        #expect(lifetime.loss(at: start)?.reason == .deadline)
        #expect(lifetime.loss?.instant == start + .seconds(200))
    }

    @Test("only the first reason counts, and an inner lifetime ends with the outer one")
    func reasons() async throws {
        let outer = Lifetime(until: start + .seconds(100))
        let (first, second) = (Lifetime(within: [outer]), Lifetime(within: [outer]))
        first.end(CoordinationLoss(.keyDeleted))
        #expect(outer.loss == nil && second.loss == nil)
        outer.end(CoordinationLoss(.leaseEnded))
        outer.end(CoordinationLoss(.closed))
        #expect([first, second, outer].map { $0.loss?.reason } == [.keyDeleted, .leaseEnded, .leaseEnded])
        #expect(Lifetime(within: [outer]).loss?.reason == .leaseEnded)
        #expect(try await second.lost().reason == .leaseEnded)
    }

    @Test("an inner lifetime with a margin ends earlier by that, and stays ended when the outer one is extended")
    func margin() {
        let outer = Lifetime(until: start + .seconds(100))
        let inner = Lifetime(within: [outer], margin: .seconds(30))
        #expect(inner.deadline == start + .seconds(70))
        #expect(inner.loss(at: start + .seconds(69)) == nil)
        #expect(outer.extend(to: start + .seconds(200), at: start + .seconds(69)))
        #expect(inner.deadline == start + .seconds(170))
        #expect(inner.loss(at: start + .seconds(170))?.reason == .deadline)
        #expect(inner.loss?.instant == start + .seconds(170))
        #expect(outer.extend(to: start + .seconds(300), at: start + .seconds(170)))
        #expect(inner.loss(at: start + .seconds(170)) != nil && inner.deadline == nil)
    }

    @Test("a task that waits for the end is woken by it, and by cancellation")
    func waiting() async throws {
        let lifetime = Lifetime(until: start + .seconds(100))
        let inner = Lifetime(within: [lifetime])
        let waiters = (0..<10).map { _ in Task { try await inner.lost() } }
        waiters[0].cancel()
        await expectCancellation { try await waiters[0].value }
        lifetime.end(CoordinationLoss(.closed))
        for waiter in waiters.dropFirst() { #expect(try await waiter.value.reason == .closed) }
    }

    @Test("work is cancelled at the loss and awaited, and the loss is thrown although the work has returned")
    func work() async throws {
        let lifetime = Lifetime(until: .now + .milliseconds(50))
        async let expiry: Void = lifetime.expireInTime()
        let loss = await expectLoss(.deadline) {
            try await lifetime.whileHeld {
                try? await Task.sleep(for: .seconds(60))
                return 1
            }
        }
        #expect((.zero...(.seconds(10))).contains(loss?.overrun ?? .seconds(-1)))
        await expiry
        // The control: without a loss, the result is returned, and the work handles the caller's cancellation.
        let held = Lifetime(until: .now + .seconds(60))
        #expect(try await held.whileHeld { 1 } == 1)
        let task = Task { try await held.whileHeld { (try? await Task.sleep(for: .seconds(60))) == nil } }
        task.cancel()
        #expect(try await task.value)
    }

    @Test("work that goes on after its hold was given up keeps its result and its error, unless it was cancelled")
    func givenUp() async throws {
        struct Failure: Error {}
        func work(_ result: @escaping @Sendable () throws -> Int) async throws -> Int {
            let lifetime = Lifetime()
            return try await lifetime.whileHeld {
                lifetime.end(CoordinationLoss(.released))
                return try result()
            }
        }
        #expect(try await work { 1 } == 1)
        await #expect(throws: Failure.self) { try await work { throw Failure() } }
        await expectLoss(.keyDeleted) { try await work { throw CoordinationLoss(.keyDeleted) } }
        await expectLoss(.released) { try await work { throw CancellationError() } }
        let loss = await expectLoss(.released) { try await work { throw CoordinationLoss(.released) } }
        #expect(loss?.overrun != nil)
    }

    @Test(
        "work may rely on a lease until a hundredth and a tenth of its time to live, or half a second, before its end",
        arguments: [(2.0, 0.52), (4, 0.54), (5, 0.55), (10, 1.1), (15, 1.65), (60, 6.6), (3600, 396)]
    )
    func margin(timeToLive: Double, margin: Double) {
        let length = Duration.seconds(timeToLive)
        let difference = Session.margin(of: length) - .seconds(margin)
        #expect((.microseconds(-1)...(.microseconds(1))).contains(difference), "\(Session.margin(of: length))")
        // As a session counts it: from when the renewal was sent.
        let lifetime = Lifetime(until: start + length - Session.margin(of: length))
        let last = start + .seconds(timeToLive - margin)
        #expect(lifetime.loss(at: last - .milliseconds(1)) == nil)
        #expect(lifetime.loss(at: last + .milliseconds(1))?.reason == .deadline)
    }

    @Test("a session that was just renewed relies on its lease for that long")
    func sessionMargin() async throws {
        try await withLiveClient { client, _ in
            let session = try await Session(client, timeToLive: .seconds(60))
            #expect((.seconds(45)...(.seconds(53.4))).contains(session.remaining), "\(session.remaining)")
            await session.close()
        }
    }
}
