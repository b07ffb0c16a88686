// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("LeaderElection: handed to a chosen candidate", .live, .timeLimit(.minutes(2)))
struct ElectionTransferTests {
    /// Starts candidates who wait, one after the other.
    private func start(
        _ names: [String],
        _ election: Key,
        _ session: Session
    ) async throws -> [String: Task<LeaderTerm, any Error>] {
        var tasks: [String: Task<LeaderTerm, any Error>] = [:]
        for name in names {
            let candidate = try LeaderElection("\(election)", candidate: Value(name), on: .session(session))
            let before = try await candidate.candidates().count
            tasks[name] = Task { try await candidate.campaign() }
            try await eventually("\(name) is there") { try await candidate.candidates().count == before + 1 }
        }
        return tasks
    }

    @Test("the leadership goes to the chosen candidate, the ones before it are behind it, and tokens rise")
    func chosen() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let first = try await election.campaign()
            let waiting = try await start(["b", "c", "d", "e"], name, session)
            try await first.transfer(to: "d")
            #expect(!first.isHeld)
            #expect(try await first.lost.reason == .released)
            let second = try await (try #require(waiting["d"])).value
            #expect(second.isHeld && first.fencingToken < second.fencingToken)
            try await eventually("the passed over are back") { try await election.candidates().count == 4 }
            let order = try await election.candidates().map(\.value)
            #expect(order.prefix(2) == ["d", "e"] && Set(order.dropFirst(2)) == ["b", "c"])
            var tokens = [first.fencingToken, second.fencingToken]
            await second.resign()
            for candidate in order.dropFirst() {
                let term = try await (try #require(waiting[candidate.description])).value
                #expect(try await election.leader()?.value == candidate)
                tokens.append(term.fencingToken)
                await term.resign()
            }
            #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0 < $1 })
        }
    }

    @Test("in a scope, the chosen candidate leads once the body has ended")
    func scoped() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let (othersWait, bodyEnded) = (Lock(false), Lock(false))
            let task = Task {
                try await election.lead { term in
                    try await eventually("others wait") { othersWait.withLock { $0 } }
                    try await term.transfer(to: "c")
                    #expect(!term.isHeld)
                    while !Task.isCancelled { await Task.yield() }
                    let order = try await Task { try await election.candidates() }.value
                    #expect(order.map(\.value) == ["a", "b", "c"])
                    bodyEnded.withLock { $0 = true }
                }
            }
            try await eventually("it leads") { election.isLeader }
            let waiting = try await start(["b", "c"], name, session)
            othersWait.withLock { $0 = true }
            let term = try await (try #require(waiting["c"])).value
            #expect(bodyEnded.withLock { $0 })
            try await task.value
            await term.resign()
            await (try await (try #require(waiting["b"])).value).resign()
        }
    }

    @Test("a transfer is refused if no candidate of that name waits, or a foreign candidate is in front of it")
    func refused() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let term = try await election.campaign()
            await #expect(throws: LeadershipTransferError.noCandidate("a")) { try await term.transfer(to: "a") }
            let etcdctl = try await EtcdCtl(["elect", "\(name)", "go"], endpoint: try await liveEndpoint())
            try await eventually("etcdctl waits") { try await election.candidates().count == 2 }
            let waiting = try await start(["b"], name, session)
            let foreign = try #require(try await election.candidates().dropFirst().first)
            await #expect(throws: LeadershipTransferError.foreignCandidate(foreign.key, before: "b")) {
                try await term.transfer(to: "b")
            }
            #expect(term.isHeld)
            // A transfer to the foreign candidate itself works: it passes over nobody.
            try await term.transfer(to: "go")
            try await eventually("etcdctl leads") { etcdctl.output.contains("go") }
            #expect(try await election.candidates().map(\.value) == ["go", "b"])
            await expectLoss(.released) { try await term.transfer(to: "b") }
            try await etcdctl.interrupt()
            await (try await (try #require(waiting["b"])).value).resign()
        }
    }

    @Test("if the chosen candidate has left, the next one leads")
    func chosenHasLeft() async throws {
        try await withSession { session, name in
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            let othersWait = Lock(false)
            let task = Task {
                try await election.lead { term in
                    try await eventually("others wait") { othersWait.withLock { $0 } }
                    try await term.transfer(to: "c")
                    // While the body drains, the chosen one leaves.
                    await Task {
                        guard let chosen = try? await election.candidates().last else { return }
                        _ = try? await session.client.delete(chosen.key)
                    }.value
                }
            }
            try await eventually("it leads") { election.isLeader }
            let waiting = try await start(["b", "c"], name, session)
            othersWait.withLock { $0 = true }
            let next = try await (try #require(waiting["b"])).value
            try await task.value
            #expect(try await election.leader()?.value == "b")
            await next.resign()
            // It had not left by itself, so it campaigns again.
            await (try await (try #require(waiting["c"])).value).resign()
        }
    }

    @Test("a transfer past more candidates than one transaction can delete is refused, without a change")
    func tooMany() async throws {
        try await withSession { session, name in
            let term = try await LeaderElection("\(name)", candidate: "a", on: .session(session)).campaign()
            let queue = term.hold.queue
            let keys = (0...Handover.maximumDeletions).map { _ in queue.queueKey(.exclusive, "between").key }
            for key in keys { try await session.client.put(key, "between", lease: session.lease.id) }
            try await session.client.put(queue.queueKey(.exclusive, "z").key, "z", lease: session.lease.id)
            await #expect(throws: LeadershipTransferError.tooManyCandidates(101, before: "z")) {
                try await term.transfer(to: "z")
            }
            #expect(term.isHeld)
            // The control: one less can be passed over.
            try await session.client.delete(try #require(keys.first))
            try await term.transfer(to: "z")
            #expect(!term.isHeld)
            let election = try LeaderElection("\(name)", candidate: "a", on: .session(session))
            #expect(try await election.candidates().map(\.value) == ["z"])
        }
    }
}
