// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection", .cluster, .timeLimit(.minutes(2)))
struct LeaderElectionTests {
    @Test("candidates lead one after the other, in the order in which they came, with rising tokens")
    func order() async throws {
        try await withSession { session, name in
            let elections = try (0..<4).map {
                try LeaderElection("\(name)", candidate: "node-\($0)", on: .session(session))
            }
            var waiting: [Task<LeaderTerm, any Error>] = []
            for (number, election) in elections.enumerated() {
                waiting.append(Task { try await election.campaign() })
                try await eventually("it is a candidate") { try await election.candidates().count == number + 1 }
            }
            #expect(try await elections[0].candidates().map(\.value) == ["node-0", "node-1", "node-2", "node-3"])
            var tokens: [Revision] = []
            for (number, task) in waiting.enumerated() {
                let term = try await task.value
                #expect(elections.map(\.isLeader) == (0..<4).map { $0 == number })
                let leader = try await elections[0].leader()
                #expect(leader?.value == "node-\(number)" && leader?.key == term.key)
                #expect(leader?.fencingToken == term.fencingToken && leader?.lease == session.lease.id)
                #expect(elections[number].currentTerm?.fencingToken == term.fencingToken)
                tokens.append(term.fencingToken)
                await term.resign()
                #expect(!elections[number].isLeader)
            }
            #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 })
            #expect(try await elections[0].leader() == nil)
        }
    }

    @Test("the body of a term has ended before the next candidate leads, also when the body resigns")
    func scope() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let rival = try LeaderElection("\(name)", candidate: "b", on: .session(session))
            let (bodyEnded, rivalLed) = (Lock<ContinuousClock.Instant?>(nil), Lock<ContinuousClock.Instant?>(nil))
            let leading = Task {
                try await election.lead { term in
                    try await eventually("the rival waits") { try await rival.candidates().count == 2 }
                    await term.resign()
                    #expect(!term.isHeld && !election.isLeader)
                    // The key is there until the body has ended; a second resignation does not change that.
                    await term.resign()
                    while !Task.isCancelled { await Task.yield() }
                    let candidates = try await Task { try await rival.candidates() }.value
                    #expect(candidates.map(\.value) == ["a", "b"])
                    bodyEnded.withLock { $0 = .now }
                    return "done"
                }
            }
            try await eventually("the candidate leads") { try await rival.leader()?.value == "a" }
            try await rival.lead { _ in rivalLed.withLock { $0 = .now } }
            #expect(try await leading.value == "done")
            #expect(try #require(bodyEnded.withLock { $0 }) < (try #require(rivalLed.withLock { $0 })))
            #expect(try await rival.candidates().isEmpty)
        }
    }

    @Test("an error of the body is thrown also after it has resigned")
    func errorAfterResignation() async throws {
        struct Failure: Error {}
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            await #expect(throws: Failure.self) {
                try await election.lead { term in
                    await term.resign()
                    throw Failure()
                }
            }
            // The control: a cancellation is a consequence of the resignation.
            await expectLoss(.released) {
                try await election.lead { term in
                    await term.resign()
                    try Task.checkCancellation()
                }
            }
            #expect(try await election.candidates().isEmpty)
        }
    }

    @Test("a leader proclaims in place, keeps its lease and its token, and cannot proclaim after its term")
    func proclaim() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let term = try await election.campaign()
            try await term.proclaim("10.0.0.7:80")
            let leader = try await election.leader()
            #expect(leader?.value == "10.0.0.7:80" && leader?.lease == session.lease.id)
            #expect(leader?.fencingToken == term.fencingToken)
            let refused = try await term.guarded(
                if: [.exists(name + "-x")],
                then: [.put(name + "-data", "1")],
                else: [.put(name + "-data", "2")]
            )
            #expect(!refused.succeeded)
            #expect(try await session.client.get(name + "-data")?.value == "2")
            try term.check()
            await term.resign()
            await expectLoss(.released) { try await term.proclaim("late") }
            #expect(try await !session.client.transaction(if: [term.isCurrent], then: [.delete(name)]).succeeded)
            #expect(try await election.leader() == nil)
            try await session.client.delete(name + "-data")
        }
    }

    @Test("a candidate that times out or is cancelled leaves no key behind")
    func givingUp() async throws {
        try await withSession { session, name in
            let term = try await LeaderElection("\(name)", candidate: "a", on: .session(session)).campaign()
            for election in [
                try LeaderElection("\(name)", candidate: "b", on: .session(session)),
                try LeaderElection("\(name)", candidate: "b", on: .client(session.client)),
            ] {
                await expectBusy { try await election.campaign(timeout: .seconds(2)) }
                let task = Task { try await election.campaign() }
                try await eventually("it waits") { try await election.candidates().count == 2 }
                task.cancel()
                await expectCancellation { try await task.value }
                #expect(try await election.candidates().map(\.value) == ["a"])
            }
            #expect(term.isHeld)
            await term.resign()
        }
    }

    @Test("a waiting candidate whose lease is gone fails at once, also when it would be its turn")
    func noPhantom() async throws {
        try await withSession { session, name in
            let doomed = try await Session(session.client)
            let term = try await LeaderElection("\(name)", candidate: "a", on: .session(doomed)).campaign()
            let election = try LeaderElection("\(name)", candidate: "b", on: .session(doomed))
            let task = Task { try await election.campaign() }
            try await eventually("it waits") { try await election.candidates().count == 2 }
            // Both keys are gone in one revision: nobody is before the candidate, but its own key is gone, too.
            try await session.client.leases.revoke(doomed.lease.id)
            await expectLoss(.leaseEnded) { try await task.value }
            #expect(!election.isLeader)
            try await eventually("the old leader knows") { !term.isHeld }
            await doomed.close()
        }
    }

    @Test("an empty name and an invalid drain time are refused")
    func refusals() async throws {
        try await withSession { session, name in
            #expect(throws: EtcdError.self) { try LeaderElection("", candidate: "a", on: .session(session)) }
            for (timeToLive, longest): (Duration, Duration) in [
                (.seconds(15), .milliseconds(7850)), (.seconds(3), .milliseconds(970)),
            ] {
                let source = SessionSource.client(session.client, timeToLive: timeToLive)
                var election = try LeaderElection("\(name)", candidate: "a", on: source)
                for drainTime in [longest + .milliseconds(1), .seconds(-1)] {
                    election.drainTime = drainTime
                    let election = election
                    await expectError(.invalidArgument) { try await election.campaign() }
                }
                #expect(try await election.candidates().isEmpty)
                // The control, less what divisions may lose.
                election.drainTime = longest - .microseconds(1)
                await (try await election.campaign()).resign()
            }
        }
    }

    @Test("a candidate behind a key without a lease gets an error, and leaves")
    func keyWithoutLease() async throws {
        try await withSession { session, name in
            let stray = name + "/plan"
            try await session.client.put(stray, "")
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let error = await #expect(throws: QueueBlocked.self) { _ = try await election.campaign() }
            #expect(error?.key == stray && error?.name == "\(name)")
            #expect(try await election.candidates().map(\.key) == [stray])
            try await session.client.delete(stray)
            await (try await election.campaign()).resign()
        }
    }

    @Test("a leader with a drain time that is cut off steps down earlier by that time")
    func drainTime() async throws {
        try await withEtcdCluster { cluster in
            let endpoint = try #require(cluster.endpoints.first)
            try await withFaultProxy(to: endpoint) { proxy in
                try await withEtcdClient(endpoints: proxy.endpoint) { client in
                    let session = try await Session(client, timeToLive: .seconds(6))
                    let plain = try await LeaderElection("plain", candidate: "a", on: .session(session)).campaign()
                    var election = try LeaderElection("drained", candidate: "a", on: .session(session))
                    election.drainTime = .seconds(2)
                    let drained = try await election.campaign()
                    await proxy.stall()
                    let early = try await drained.lost
                    #expect(plain.isHeld && !drained.isHeld && drained.remaining == .zero)
                    let late = try await plain.lost
                    #expect(early.reason == .deadline && late.reason == .deadline)
                    #expect(late.instant - early.instant == .seconds(2))
                    await proxy.resume()
                    await session.close()
                }
            }
        }
    }
}
