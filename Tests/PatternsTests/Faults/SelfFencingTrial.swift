// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting
import Testing

/// When watched keys were seen to be deleted.
final class Deletions: Sendable {
    private let instants = Lock<[Key: ContinuousClock.Instant]>([:])

    func instant(of key: Key) -> ContinuousClock.Instant? { instants.withLock { $0[key] } }

    /// Notes deletions until the task is cancelled.
    func follow(_ events: WatchSequence) async throws {
        for try await event in events where event.kind == .delete {
            let now = ContinuousClock.now
            instants.withLock { $0[event.key] = now }
        }
    }
}

/// A holder of a lock whose renewals fail: when it counted the lock as lost, and when the server deleted the key.
struct SelfFencingTrial: Sendable {
    enum Fault: String, Sendable, CaseIterable {
        /// The renewals do not arrive, or their answers, or neither.
        case requestsHeld, answersHeld, allHeld, requestsLost, answersLost, allLost
        /// There is no connection any more.
        case refused
        /// Answers come late, and then no request arrives.
        case lateAnswers
        /// Requests arrive late, and then none does.
        case lateRequests
        /// Everything takes more or less long, and then there is no connection.
        case unsteady
    }

    let fault: Fault
    /// From the loss of the lock to the server's deletion of its key.
    let lead: Duration
    /// The lead of a holder that counts the time to live from the answer to the last renewal.
    let naiveLead: Duration

    static func play(
        _ fault: Fault,
        _ name: Key,
        at endpoint: String,
        timeToLive: Duration,
        _ deletions: Deletions
    ) async throws -> SelfFencingTrial {
        try await withFaultProxy(to: endpoint) { proxy in
            try await withEtcdClient(endpoints: proxy.endpoint) { client in
                let (session, granted, grant) = try await begin(name, client, timeToLive)
                let lease = session.lease
                async let heard = lastAnswer(session.states, since: granted)
                async let held = lastClaim(grant)
                try await fault.strike(proxy, lease.timeToLive)
                let loss = try await grant.lost
                #expect(loss.reason == .deadline, "\(fault): \(loss)")
                var deletion: ContinuousClock.Instant?
                try await eventually(within: lease.timeToLive * 3 + .seconds(20), "the server deletes the key") {
                    deletion = deletions.instant(of: grant.key)
                    return deletion != nil
                }
                let end = try #require(deletion)
                // Its answer counts, whatever the reason.
                #expect(await held < loss.instant)
                return SelfFencingTrial(
                    fault: fault,
                    lead: end - loss.instant,
                    naiveLead: end - (await heard + lease.timeToLive)
                )
            }
        }
    }

    /// Opens a session, notes the time of the answer, and takes the lock.
    private static func begin(
        _ name: Key,
        _ client: EtcdClient,
        _ timeToLive: Duration
    ) async throws -> (Session, ContinuousClock.Instant, LockGrant) {
        while true {
            let session = try await Session(client, timeToLive: timeToLive)
            let granted = ContinuousClock.now
            do {
                return (session, granted, try await DistributedLock("\(name)", on: .session(session)).acquire())
            } catch is CoordinationLoss {
                // On a slow machine, the lock is lost without a fault.
            }
        }
    }

    /// When the answer to the last renewal came.
    private static func lastAnswer(
        _ states: AsyncStream<SessionState>,
        since granted: ContinuousClock.Instant
    ) async -> ContinuousClock.Instant {
        var last = granted
        for await state in states { if case .active = state { last = .now } }
        return last
    }

    /// The beginning of the last look at the lock by which it was held.
    private static func lastClaim(_ grant: LockGrant) async -> ContinuousClock.Instant {
        var last = ContinuousClock.now
        // A trial that fails leaves the lock as it is, and waits for this.
        while !Task.isCancelled {
            let now = ContinuousClock.now
            if !grant.isHeld { break }
            last = now
            try? await Task.sleep(for: .milliseconds(2))
        }
        return last
    }
}

extension SelfFencingTrial.Fault {
    /// Lets it happen, at a random moment between two renewals.
    fileprivate func strike(_ proxy: FaultProxy, _ timeToLive: Duration) async throws {
        try await Task.sleep(for: timeToLive * .random(in: 0...0.5))
        switch self {
        case .requestsHeld: await proxy.stall(.toServer)
        case .answersHeld: await proxy.stall(.toClient)
        case .allHeld: await proxy.stall()
        case .requestsLost: await proxy.blackhole(.toServer)
        case .answersLost: await proxy.blackhole(.toClient)
        case .allLost: await proxy.blackhole()
        case .refused:
            await proxy.refuseConnections()
            await proxy.cut()
        case .lateAnswers, .lateRequests:
            // As late as a session can bear.
            await proxy.delay(timeToLive * .random(in: 0.3...0.45), self == .lateAnswers ? .toClient : .toServer)
            try await Task.sleep(for: timeToLive * .random(in: 0.5...1.5))
            await proxy.stall(.toServer)
        case .unsteady:
            for _ in 0..<Int.random(in: 5...20) {
                await proxy.delay(timeToLive * .random(in: 0...0.2))
                try await Task.sleep(for: timeToLive / 20)
            }
            await proxy.refuseConnections()
            await proxy.reset()
        }
    }
}
