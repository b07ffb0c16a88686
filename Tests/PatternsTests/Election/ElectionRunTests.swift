// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection: the loop of campaigns", .live, .timeLimit(.minutes(2)))
struct ElectionRunTests {
    private static func quick(_ election: LeaderElection) -> LeaderElection {
        var election = election
        election.backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(20))
        return election
    }

    @Test("the loop leads again after its term was lost, was resigned, or has ended", arguments: [true, false])
    func again(sharesSession: Bool) async throws {
        try await withSession { session, name in
            let election = Self.quick(
                sharesSession
                    ? try LeaderElection("\(name)", candidate: "a", on: .session(session))
                    : try LeaderElection("\(name)", candidate: "a", on: .client(session.client))
            )
            let tokens = Lock<[Revision]>([])
            let running = Task {
                try await election.run { term in
                    let count = tokens.withLock { tokens in
                        tokens.append(term.fencingToken)
                        return tokens.count
                    }
                    // The first term ends by itself, the others are ended.
                    if count > 1 { try await Task.sleep(for: .seconds(60)) }
                }
            }
            try await eventually("the second term") { tokens.withLock { $0.count } == 2 && election.isLeader }
            try await session.client.delete(try #require(election.currentTerm).key)
            try await eventually("the third term") { tokens.withLock { $0.count } == 3 && election.isLeader }
            await election.currentTerm?.resign()
            try await eventually("the fourth term") { tokens.withLock { $0.count } == 4 && election.isLeader }
            running.cancel()
            try await running.value
            #expect(!election.isLeader)
            #expect(try await election.candidates().isEmpty)
            let rising = tokens.withLock { $0 }
            #expect(zip(rising, rising.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("an error of the body ends the loop, also once it has resigned, and so does the loss of a given session")
    func endings() async throws {
        struct Failure: Error {}
        try await withSession { session, name in
            let election = Self.quick(try LeaderElection("\(name)", candidate: "a", on: .session(session)))
            await #expect(throws: Failure.self) { try await election.run { _ in throw Failure() } }
            await #expect(throws: Failure.self) {
                try await election.run { term in
                    await term.resign()
                    throw Failure()
                }
            }
            #expect(try await election.candidates().isEmpty)
            let given = try await Session(session.client)
            let doomed = Self.quick(try LeaderElection("\(name)", candidate: "b", on: .session(given)))
            let running = Task { try await doomed.run { _ in try await Task.sleep(for: .seconds(60)) } }
            try await eventually("it leads") { doomed.isLeader }
            await given.close()
            await expectLoss(.closed) { try await running.value }
        }
    }

    @Test("an error of etcd in the body that may pass ends the term, not the loop", arguments: [true, false])
    func failures(mayPass: Bool) async throws {
        try await withSession { session, name in
            let (events, terms) = (Lock<[String]>([]), Lock(0))
            let election = Self.quick(
                try LeaderElection("\(name)", candidate: "a", on: .session(session)) { event in
                    events.withLock { $0.append("\(event)") }
                }
            )
            let code: EtcdError.Code = mayPass ? .ambiguous : .permissionDenied
            let running = Task {
                try await election.run { _ in
                    let term = terms.withLock { terms in
                        terms += 1
                        return terms
                    }
                    if term < 3 { throw EtcdError(code, "no answer") }
                    try await Task.sleep(for: .seconds(60))
                }
            }
            if mayPass {
                try await eventually("the third term") { terms.withLock { $0 } == 3 && election.isLeader }
                #expect(events.withLock { $0.count { $0.contains("no answer") } } == 2)
                running.cancel()
                try await running.value
            } else {
                await expectError(.permissionDenied) { try await running.value }
                #expect(terms.withLock { $0 } == 1)
            }
            #expect(try await election.candidates().isEmpty)
        }
    }

    @Test("each term has one call at its beginning, and then one at its end with the reason, whatever ends it")
    func callbacks() async throws {
        try await withSession { session, name in
            let calls = Lock<[String]>([])
            let elections = try (0..<3).map {
                Self.quick(try LeaderElection("\(name)", candidate: "\($0)", on: .client(session.client)))
            }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (number, election) in elections.enumerated() {
                    group.addTask {
                        try await election.run { term in
                            calls.withLock { $0.append("+\(number) \(term.fencingToken)") }
                            await Task.yield()
                            let current = calls.withLock { $0.last }
                            #expect(current == "+\(number) \(term.fencingToken)")
                        } onDefeated: { _ in
                            #expect(!Task.isCancelled)
                            calls.withLock { $0.append("-\(number)") }
                        }
                    }
                }
                for turn in 1...9 {
                    try await eventually("the next term") {
                        calls.withLock { $0.count } >= 2 * turn - 1 && elections.contains { $0.isLeader }
                    }
                    guard let leader = elections.first(where: { $0.isLeader }), let term = leader.currentTerm else {
                        continue
                    }
                    // A loss that is found by the watch may overlap with the next term, so the keys stay here.
                    if turn % 2 == 0 {
                        await term.resign()
                    } else {
                        let others = try await leader.candidates().map(\.value).filter { $0 != leader.candidate }
                        if let next = others.last { try? await term.transfer(to: next) } else { await term.resign() }
                    }
                }
                group.cancelAll()
                while let result = await group.nextResult() {
                    try result.get()
                }
            }
            let made = calls.withLock { $0 }
            #expect(made.count >= 18 && made.count.isMultiple(of: 2))
            for pair in stride(from: 0, to: made.count - 1, by: 2) {
                #expect(made[pair].first == "+" && made[pair + 1].first == "-", "\(made)")
                #expect(made[pair].dropFirst().first == made[pair + 1].dropFirst().first, "\(made)")
            }

            // Without others, a key can be taken away.
            let (terms, reasons) = (Lock(0), Lock<[CoordinationLoss.Reason]>([]))
            let alone = Self.quick(try LeaderElection("\(name)", candidate: "alone", on: .client(session.client)))
            let running = Task {
                try await alone.run { _ in
                    terms.withLock { $0 += 1 }
                } onDefeated: { loss in
                    reasons.withLock { $0.append(loss.reason) }
                }
            }
            for number in 1...3 {
                try await eventually("term \(number)") { terms.withLock { $0 } == number && alone.isLeader }
                switch number {
                case 1: try await session.client.delete(try #require(alone.currentTerm).key)
                case 2: await alone.currentTerm?.resign()
                default: running.cancel()
                }
                try await eventually("the end of term \(number)") { reasons.withLock { $0.count } == number }
            }
            try await running.value
            #expect(reasons.withLock { $0 } == [.keyDeleted, .released, .released])
            #expect(terms.withLock { $0 } == 3)
        }
    }

    @Test("the pauses after short terms grow")
    func backoff() async throws {
        try await withSession { session, name in
            var election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            election.backoff = Backoff(initial: .milliseconds(100), maximum: .seconds(1), multiplier: 2, jitter: 0)
            let starts = Lock<[ContinuousClock.Instant]>([])
            let running = Task { [election] in try await election.run { _ in starts.withLock { $0.append(.now) } } }
            try await eventually("four terms") { starts.withLock { $0.count } >= 4 }
            running.cancel()
            try await running.value
            let times = starts.withLock { $0 }
            for (number, pause) in [100, 200, 400].enumerated() {
                #expect(times[number + 1] - times[number] >= .milliseconds(pause))
            }
        }
    }

    @Test("pauses grow after short terms, and a long term resets them")
    func pauses() async throws {
        try await withLiveClient { client, name in
            var election = try LeaderElection("\(name)", candidate: "a", on: .client(client, timeToLive: .seconds(2)))
            election.backoff = Backoff(initial: .seconds(1), maximum: .seconds(30), multiplier: 3, jitter: 0)
            let spans = Lock<[(begin: ContinuousClock.Instant, end: ContinuousClock.Instant)]>([])
            let task = Task { [election] in
                try await election.run { _ in
                    let begin = ContinuousClock.now
                    let number = spans.withLock { $0.count }
                    // The third term is a long one.
                    if number == 2 { try await Task.sleep(for: .seconds(2.5)) }
                    spans.withLock { $0.append((begin, .now)) }
                }
            }
            try await eventually("four terms") { spans.withLock { $0.count } >= 4 }
            task.cancel()
            _ = await task.result
            let pauses = spans.withLock { spans in zip(spans, spans.dropFirst()).map { $1.begin - $0.end } }
            #expect(pauses[0] >= .seconds(1) && pauses[1] >= .seconds(3), "\(pauses)")
            // It would be nine seconds, or three or one if the long term counted for less than a new start.
            #expect(pauses[2] < .seconds(1), "\(pauses)")
        }
    }

    @Test("a body that does not end when it is cancelled blocks the loop, and the leadership stays lost")
    func ignoresCancellation() async throws {
        try await withLiveClient { client, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .client(client, timeToLive: .seconds(5)))
            let (terms, mayEnd) = (Lock(0), Lock(false))
            let task = Task {
                try await election.run { _ in
                    terms.withLock { $0 += 1 }
                    while !mayEnd.withLock({ $0 }) { try? await Task.sleep(for: .milliseconds(5)) }
                }
            }
            try await eventually("it leads") { election.isLeader }
            let term = try #require(election.currentTerm)
            try await client.delete(term.key)
            _ = try await term.lost
            let other = try await LeaderElection("\(name)", candidate: "b", on: .client(client)).campaign(
                timeout: .seconds(10)
            )
            #expect(other.isHeld && !election.isLeader && terms.withLock { $0 } == 1)
            mayEnd.withLock { $0 = true }
            await other.resign()
            try await eventually("it goes on") { terms.withLock { $0 } >= 2 }
            task.cancel()
            _ = await task.result
        }
    }
}
