// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let highAvailability = Example(
        name: "ha",
        summary: "one member is primary, the others stand by and take over; run it in several terminals",
        isShared: true
    ) { context in
        let name = "\(context.prefix)primary"
        let gate = FenceGate()
        let (turns, turn) = AsyncStream.makeStream(of: (member: String, token: Revision).self)

        let seen = try await withThrowingTaskGroup(of: Void.self) { group in
            for member in ["\(context.nodeID)-a", "\(context.nodeID)-b"] {
                let election = try LeaderElection(
                    name,
                    candidate: "endpoint of \(member)",
                    on: .client(context.client)
                )
                let coordinator = HighAvailabilityCoordinator(on: election) { term in
                    context.say("\(member) is primary, in term \(term.fencingToken)")
                    // A server that serves the newest primary only.
                    try gate.admit(term.fencingToken)
                    turn.yield((member, term.fencingToken))
                    try await Task.sleep(for: .seconds(1))
                    // The end of this is the end of the term.
                    context.say("\(member) steps down for maintenance")
                } secondary: { primaries in
                    // In the moment before its own turn, it hears of itself.
                    for try await primary in primaries where primary.candidate?.value != election.candidate {
                        context.say("\(member) stands by, and follows \(primary)")
                    }
                }
                group.addTask {
                    defer { turn.finish() }
                    try await coordinator.run()
                }
            }
            var seen: [(member: String, token: Revision)] = []
            for await turn in turns where !seen.contains(where: { $0.member == turn.member }) {
                seen.append(turn)
                if seen.count == 2 { break }
            }
            group.cancelAll()
            return seen
        }

        try context.expect(seen.count == 2, "each member was primary")
        try context.expect(seen[0].token < seen[1].token, "a higher token in a later term")
        do {
            try gate.admit(seen[0].token)
            try context.expect(false, "the old primary is refused")
        } catch let refusal as FenceGate.Refusal {
            context.say("a late request of \(seen[0].member) is refused: \(refusal)")
        }
    }
}
