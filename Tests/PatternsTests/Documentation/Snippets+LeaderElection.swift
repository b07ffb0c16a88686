// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter on leader election.
extension Snippets {
    static func election(_ client: EtcdClient) async throws {
        let election = try LeaderElection(
            "scheduler",
            candidate: "node-1",
            on: .client(client, timeToLive: .seconds(10))
        )
        try await election.run { term in
            while term.isHeld {
                try await term.guarded(then: [.put("plan", "…")])
                try await Task.sleep(for: .seconds(1))
            }
        }
    }

    static func term(_ election: LeaderElection) async throws {
        let term = try await election.campaign(timeout: .seconds(30))
        try await term.proclaim("10.0.0.7:8080")
        print("term", term.fencingToken, "lasts for", term.remaining, "at least")
        await term.resign()
    }

    static func callbacks(_ election: LeaderElection) async throws {
        try await election.run { term in
            print("I am the leader, in term", term.fencingToken)
        } onDefeated: { loss in
            print("I lead no more:", loss.reason)
        }
    }

    static func leader(_ election: LeaderElection) async throws {
        if let leader = try await election.leader() {
            print(leader.value, "leads with the token", leader.fencingToken)
        }
        print(election.isLeader ? "I lead" : "another leads, or nobody")
    }

    static func leaders(_ election: LeaderElection) async throws {
        for try await leadership in election.leaders {
            switch leadership {
            case .leader(let candidate): print(candidate.value, "leads")
            case .none: print("nobody leads")
            }
        }
    }

    static func transfer(_ election: LeaderElection) async throws {
        print("waiting:", try await election.candidates().dropFirst().map(\.value))
        try await election.currentTerm?.transfer(to: "node-2")
    }
}
