// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("The code of Docs/Patterns about leadership runs", .live, .timeLimit(.minutes(2)))
struct ElectionSnippetTests {
    @Test("leader election")
    func elections() async throws {
        try await withSession { session, name in
            let scope = session.client.with(namespace: name)
            let election = try LeaderElection("scheduler", candidate: "node-1", on: .client(scope))
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                try await Snippets.term(election)
                let before = try await scope.get("plan")?.modRevision
                let running = Task { try await Snippets.election(scope) }
                try await eventually("it leads and writes") { try await scope.get("plan")?.modRevision != before }
                let observing = Task { try await Snippets.leaders(election) }
                running.cancel()
                try await running.value
                observing.cancel()
                await expectCancellation { try await observing.value }

                let calling = Task { try await Snippets.callbacks(election) }
                try await eventually("it leads") { election.isLeader }
                try await Snippets.leader(election)
                let next = try LeaderElection("scheduler", candidate: "node-2", on: .client(scope))
                let waiting = Task { try await next.campaign() }
                try await eventually("the next one waits") { try await next.candidates().count == 2 }
                try await Snippets.transfer(election)
                let term = try await waiting.value
                #expect(next.isLeader && !election.isLeader)
                calling.cancel()
                try await calling.value
                await term.resign()
            }
            try await session.client.delete(.prefix(name))
        }
    }

    @Test("high availability")
    func availability() async throws {
        try await withSession { session, name in
            let scope = session.client.with(namespace: name)
            // The second time, on the store that the first run has left.
            for _ in 1...2 {
                let (token, followed) = (Lock<Revision?>(nil), Lock<[Value?]>([]))
                let standIn = try await LeaderElection("database", candidate: "first", on: .client(scope)).campaign()
                let running = Task {
                    try await Snippets.highAvailability(scope) { newest in
                        token.withLock { $0 = newest }
                        try await Task.sleep(for: .seconds(60))
                    } follow: { primary in
                        followed.withLock { $0.append(primary) }
                    }
                }
                try await eventually("it follows") { followed.withLock { $0 } == ["first"] }
                let late = Snippets.stamp(standIn)
                await standIn.resign()
                try await eventually("it is primary") { token.withLock { $0 } != nil }
                let election = try LeaderElection("database", candidate: "server", on: .client(scope))
                let newest = try #require(token.withLock { $0 })
                let fresh = [FenceGate.headerName: FenceGate.headerValue(of: newest)]
                let gate = try await Snippets.gate(election, fresh)
                #expect(gate.highest == newest)
                await #expect(throws: FenceGate.Refusal.outdated(standIn.fencingToken, highest: newest)) {
                    try await Snippets.gate(election, late)
                }
                running.cancel()
                try await running.value
            }
        }
    }
}
