// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// Durations that no clock can count, and those that are over before they begin: none of them is a crash.
@Suite("Durations of any length", .timeLimit(.minutes(3)))
struct DurationTests {
    static let extremes: [Duration] = [
        .seconds(Int64.max), .seconds(Int64.min), .seconds(-1), .zero, .nanoseconds(1),
        Duration(secondsComponent: .max, attosecondsComponent: 999_999_999_999_999_999),
    ]

    @Test("as timeouts of what waits", arguments: extremes)
    func timeouts(_ timeout: Duration) async throws {
        try await withLiveClient { client, name in
            let session = try await Session(client, timeToLive: .seconds(60))
            let isLong = timeout > .seconds(1)
            func isOver(_ error: any Error) -> Bool {
                guard let error = error as? EtcdError else { return false }
                return [.deadlineExceeded, .unavailable].contains(error.code)
            }
            func check<Grant>(_ operation: (Duration) async throws -> Grant, _ give: (Grant) async -> Void) async {
                do {
                    await give(try await operation(timeout))
                } catch {
                    #expect(!isLong && isOver(error), "\(error)")
                }
            }
            await check {
                try await DistributedLock(name + "-1", session: session).acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await DistributedLock(name + "-1", session: session).withLock(timeout: $0) { _ in }
            } _: {
            }
            await check {
                try await ReadWriteLock(name + "-2", session: session).acquireRead(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await ReadWriteLock(name + "-3", session: session).acquireWrite(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await Semaphore(name + "-4", limit: 2, session: session).acquire(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await LockManager(name + "-5", session: session).acquire(["a", "b"], timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await LeaderElection(name + "-6", candidate: "a", session: session).campaign(timeout: $0)
            } _: {
                await $0.resign(timeout: timeout)
            }
            await check {
                try await DoubleBarrier(name + "-7", count: 1, session: session).enter(timeout: $0)
            } _: {
                await $0.release(timeout: timeout)
            }
            await check {
                try await Barrier(name + "-8", session: session).wait(timeout: $0)
            } _: { _ in
            }
            await check {
                try await MemberGroup(name + "-9", client: client).join(as: "a", timeout: $0)
            } _: {
                await $0.leave()
            }
            await session.close(timeout: timeout)
        }
    }

    @Test("as times to live", arguments: extremes)
    func timesToLive(_ timeToLive: Duration) async throws {
        try await withLiveClient { client, name in
            await #expect(throws: EtcdError.self) { _ = try await Session(client, timeToLive: timeToLive) }
            await #expect(throws: EtcdError.self) {
                try await DistributedLock(name, client: client, timeToLive: timeToLive).acquire(timeout: .seconds(1))
            }
            await #expect(throws: EtcdError.self) {
                try await LeaderElection(name, candidate: "a", client: client, timeToLive: timeToLive)
                    .campaign(timeout: .seconds(1))
            }
            await #expect(throws: EtcdError.self) {
                try await MemberGroup(name, client: client, timeToLive: timeToLive).join(as: "a", timeout: .seconds(1))
            }
        }
    }

    @Test("as drain times, and as pauses", arguments: extremes)
    func elections(_ duration: Duration) async throws {
        try await withLiveClient { client, name in
            var election = try LeaderElection(name, candidate: "a", client: client)
            election.drainTime = duration
            if duration > .seconds(1) || duration < .zero {
                await expectError(.invalidArgument) { _ = try await election.campaign() }
            } else {
                await (try await election.campaign()).resign()
            }
            let coordinator = HighAvailabilityCoordinator(election) { _ in
            } secondary: { _ in
            }
            let member = Task { try await coordinator.run() }
            election.drainTime = .zero
            election.backoff = Backoff(initial: duration, maximum: duration, multiplier: 2)
            let terms = Lock(0)
            let task = Task { [election] in try await election.run { _ in terms.withLock { $0 += 1 } } }
            try await eventually("it leads") { terms.withLock { $0 } > 0 }
            for task in [task, member] {
                task.cancel()
                _ = await task.result
            }
        }
    }
}
