// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("High availability", .cluster, .timeLimit(.minutes(2)))
struct HighAvailabilityTests {
    private struct Failure: Error {}

    /// The actions of the members of a service, as they note them themselves.
    private final class Log: Sendable {
        private struct State {
            var primaries: [String] = []
            var secondaries: [String] = []
            var terms: [(member: String, token: Revision)] = []
            var news: [String: [String]] = [:]
            var violations: [String] = []
            var events: [String: [String]] = [:]
        }

        private let state = Lock(State())

        var violations: [String] { state.withLock { $0.violations } }
        var primary: String? { state.withLock { $0.primaries.first } }
        var secondaries: [String] { state.withLock { $0.secondaries.sorted() } }
        var terms: [(member: String, token: Revision)] { state.withLock { $0.terms } }
        func news(of member: String) -> [String] { state.withLock { $0.news[member] ?? [] } }
        func events(of member: String) -> [String] { state.withLock { $0.events[member] ?? [] } }

        func work(as member: String, in term: LeaderTerm, _ body: () async throws -> Void) async throws {
            state.withLock { state in
                if !state.primaries.isEmpty { state.violations.append("\(member) beside \(state.primaries)") }
                if state.secondaries.contains(member) { state.violations.append("\(member) is both") }
                if let last = state.terms.last, last.token >= term.fencingToken {
                    state.violations.append("\(term.fencingToken) after \(last)")
                }
                state.primaries.append(member)
                state.terms.append((member, term.fencingToken))
            }
            defer { state.withLock { $0.primaries.removeAll { $0 == member } } }
            try await body()
        }

        func standBy(as member: String, _ primaries: LeaderChanges) async throws {
            state.withLock { state in
                if state.primaries.contains(member) { state.violations.append("\(member) is both") }
                state.secondaries.append(member)
            }
            defer { state.withLock { $0.secondaries.removeAll { $0 == member } } }
            for try await primary in primaries {
                state.withLock {
                    $0.news[member, default: []].append(primary.candidate.map { "\($0.value)" } ?? "none")
                }
            }
        }

        func note(_ event: HighAvailabilityCoordinator.Event, of member: String) {
            let text =
                switch event {
                case .secondaryStarted: "secondary"
                case .secondaryEnded(let error): error.map { "secondary failed: \(type(of: $0))" } ?? "secondary ended"
                case .primaryStarted: "primary"
                case .primaryEnded(_, let loss as CoordinationLoss): "primary lost: \(loss.reason)"
                case .primaryEnded(_, let error): error.map { "primary failed: \(type(of: $0))" } ?? "primary ended"
                case .overran(let role): "\(role) overran"
                }
            state.withLock { $0.events[member, default: []].append(text) }
        }
    }

    private func coordinator(
        _ member: String,
        _ election: LeaderElection,
        _ log: Log,
        primary: @escaping HighAvailabilityCoordinator.Primary = { _ in try await Task.sleep(for: .seconds(60)) }
    ) -> HighAvailabilityCoordinator {
        var election = election
        election.backoff = Backoff(initial: .milliseconds(20), maximum: .milliseconds(50))
        return HighAvailabilityCoordinator(on: election) {
            log.note($0, of: member)
        } primary: { term in
            try await log.work(as: member, in: term) { try await primary(term) }
        } secondary: { primaries in
            try await log.standBy(as: member, primaries)
        }
    }

    @Test("one member is primary, the others are told, and the next takes over when it is gone or steps down")
    func failover() async throws {
        try await withLiveClient { client, name in
            let log = Log()
            var elections: [String: LeaderElection] = [:]
            var running: [String: Task<Void, any Error>] = [:]
            for member in ["a", "b", "c"] {
                let election = try LeaderElection("\(name)", candidate: Value(member), on: .client(client))
                elections[member] = election
                let coordinator = coordinator(member, election, log) { term in
                    try await term.proclaim("\(member) serves")
                    try await Task.sleep(for: .seconds(60))
                }
                running[member] = Task { try await coordinator.run() }
                try await eventually("\(member) takes part") {
                    try await election.candidates().count == running.count
                }
            }
            try await eventually("a is primary") { log.primary == "a" && log.secondaries == ["b", "c"] }
            try await eventually("b and c know") {
                ["b", "c"].allSatisfy { log.news(of: $0).last == "a serves" }
            }
            running["a"]?.cancel()
            try await running["a"]?.value
            try await eventually("b is primary") { log.primary == "b" && log.secondaries == ["c"] }
            try await eventually("c knows") { log.news(of: "c").last == "b serves" }
            // c was told; it was not started again.
            #expect(log.events(of: "c") == ["secondary"])
            await elections["b"]?.currentTerm?.resign()
            try await eventually("c is primary") { log.primary == "c" && log.secondaries == ["b"] }
            try await eventually("b knows") { log.news(of: "b").last == "c serves" }
            for member in ["b", "c"] {
                running[member]?.cancel()
                try await running[member]?.value
            }
            #expect(log.violations == [])
            #expect(log.terms.map(\.member) == ["a", "b", "c"])
            #expect(
                log.events(of: "b") == [
                    "secondary", "secondary ended", "primary", "primary lost: released", "secondary", "secondary ended",
                ]
            )
            #expect(try await client.range(.prefix(name)).count == 0)
        }
    }

    @Test("a primary that fails steps down, lets the others go first, and comes back")
    func failures() async throws {
        try await withLiveClient { client, name in
            let log = Log()
            let (count, mayFail) = (Lock(0), Lock(false))
            let failing = coordinator("a", try LeaderElection("\(name)", candidate: "a", on: .client(client)), log) {
                _ in
                let number = count.withLock { count in
                    count += 1
                    return count
                }
                if number == 1 {
                    try await eventually("another one waits") { mayFail.withLock { $0 } }
                    throw Failure()
                }
                // The second time it returns, which is the end of a term too.
                if number > 2 { try await Task.sleep(for: .seconds(60)) }
            }
            let running = Task { try await failing.run() }
            try await eventually("it is primary") { log.primary == "a" }
            let other = try LeaderElection("\(name)", candidate: "b", on: .client(client))
            let next = Task { try await other.campaign() }
            try await eventually("another one waits") { try await other.candidates().count == 2 }
            mayFail.withLock { $0 = true }
            let term = try await next.value
            try await eventually("it waits behind the other") {
                try await other.candidates().map(\.value) == ["b", "a"]
            }
            #expect(count.withLock { $0 } == 1)
            await term.resign()
            try await eventually("it is back") { count.withLock { $0 } == 3 }
            running.cancel()
            try await running.value
            #expect(log.violations == [])
            #expect(
                log.events(of: "a").filter { $0.hasPrefix("primary") } == [
                    "primary", "primary failed: Failure", "primary", "primary ended", "primary", "primary ended",
                ]
            )
        }
    }

    @Test("a secondary that fails is run again, and still takes over")
    func failingSecondary() async throws {
        try await withLiveClient { client, name in
            let events = Lock<[String]>([])
            let holder = try await LeaderElection("\(name)", candidate: "holder", on: .client(client)).campaign()
            var election = try LeaderElection("\(name)", candidate: "a", on: .client(client))
            election.backoff = Backoff(initial: .milliseconds(5), maximum: .milliseconds(10))
            let coordinator = HighAvailabilityCoordinator(on: election) { event in
                if case .secondaryEnded(let error) = event { events.withLock { $0.append("\(error as Any)") } }
            } primary: { _ in
                try await Task.sleep(for: .seconds(60))
            } secondary: { _ in
                throw Failure()
            }
            let running = Task { try await coordinator.run() }
            try await eventually("it is run again") { events.withLock { $0.count } >= 3 }
            #expect(events.withLock { $0 }.allSatisfy { $0.contains("Failure") })
            await holder.resign()
            try await eventually("it is primary") { election.isLeader }
            running.cancel()
            try await running.value
        }
    }

    @Test("a primary that is cut off has ended before the next one begins", .timeLimit(.minutes(2)))
    func cutOff() async throws {
        try await withProxiedEtcd { proxy, cut, other in
            let log = Log()
            let ended = Lock<ContinuousClock.Instant?>(nil)
            let elections = try [cut, other].enumerated().map { number, client in
                try LeaderElection("ha", candidate: "\(number)", on: .client(client, timeToLive: .seconds(4)))
            }
            let first = coordinator("first", elections[0], log) { term in
                do {
                    try await Task.sleep(for: .seconds(60))
                } catch {
                    // It uses a part of its drain time.
                    await withoutCancellation { await Task.pause(for: .milliseconds(400)) }
                    #expect(!term.isHeld)
                    ended.withLock { $0 = .now }
                }
            }
            let second = coordinator("second", elections[1], log)
            let running = [Task { try await first.run() }]
            try await eventually("the first is primary") { log.primary == "first" }
            let standing = Task { try await second.run() }
            try await eventually("the second stands by") { try await elections[1].candidates().count == 2 }
            await proxy.stall()
            try await eventually("the second is primary") { log.primary == "second" }
            #expect(ended.withLock { $0 } != nil)
            #expect(log.violations == [])
            #expect(log.events(of: "first").contains("primary lost: deadline"))
            #expect(!log.events(of: "first").contains("primary overran"))
            await proxy.resume()
            for task in running + [standing] {
                task.cancel()
                try await task.value
            }
        }
    }

    @Test("work that does not end in time is reported, and an overrun of a secondary does not keep the leadership")
    func overruns() async throws {
        try await withLiveClient { client, name in
            let log = Log()
            let finish = Lock((primary: false, secondary: false))
            @Sendable func ignoreCancellation(until isFinished: @escaping @Sendable () -> Bool) async {
                await Task { while !isFinished() { try? await Task.sleep(for: .milliseconds(5)) } }.value
            }
            var election = try LeaderElection("\(name)", candidate: "a", on: .client(client))
            election.drainTime = .milliseconds(50)
            let holder = try await LeaderElection("\(name)", candidate: "holder", on: .client(client)).campaign()
            let coordinator = HighAvailabilityCoordinator(on: election) {
                log.note($0, of: "a")
            } primary: { _ in
                await ignoreCancellation { finish.withLock { $0.primary } }
            } secondary: { _ in
                await ignoreCancellation { finish.withLock { $0.secondary } }
            }
            let running = Task { try await coordinator.run() }
            try await eventually("it waits") { try await election.candidates().count == 2 }
            await holder.resign()
            // Its secondary does not end, so it steps down.
            try await eventually("it is reported") { log.events(of: "a").last == "secondary overran" }
            let other = try await LeaderElection("\(name)", candidate: "other", on: .client(client)).campaign()
            #expect(log.events(of: "a") == ["secondary", "secondary overran"], "another leads while it goes on")
            await other.resign()
            finish.withLock { $0.secondary = true }
            try await eventually("it is primary") { log.events(of: "a").last == "primary" }
            running.cancel()
            // Its primary does not end, so it stays primary.
            try await eventually("it is reported too") { log.events(of: "a").last == "primary overran" }
            #expect(try await election.leader()?.value == "a")
            finish.withLock { $0.primary = true }
            try await running.value
            #expect(try await election.leader() == nil)
            // The control: work that ends in time is not reported, as that of the second secondary.
            #expect(
                log.events(of: "a") == [
                    "secondary", "secondary overran", "secondary ended", "secondary", "secondary ended",
                    "primary", "primary overran", "primary ended",
                ]
            )
        }
    }

    @Test("the coordinator ends with the loss of a session that was given")
    func ending() async throws {
        try await withSession { session, name in
            let log = Log()
            let given = try await Session(session.client)
            let coordinator = coordinator("a", try LeaderElection("\(name)", candidate: "a", on: .session(given)), log)
            let running = Task { try await coordinator.run() }
            try await eventually("it is primary") { log.primary == "a" }
            await given.close()
            await expectLoss(.closed) { try await running.value }
            #expect(log.primary == nil && log.secondaries.isEmpty)
        }
    }
}
