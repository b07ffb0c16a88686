// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let election = Example(
        name: "election",
        summary: "elects a leader, and another when that is gone; run it in several terminals",
        isShared: true
    ) { context in
        let client = context.client
        let name = "\(context.prefix)leader"
        let standBy = try LeaderElection(name, candidate: "\(context.nodeID)-b", on: .client(client))

        try await withThrowingTaskGroup(of: Void.self) { group in
            // Any process can follow who leads.
            group.addTask {
                for try await leadership in standBy.leaders {
                    switch leadership {
                    case .leader(let leader): context.say("leader: \(leader.value), in term \(leader.fencingToken)")
                    case .none: context.say("no leader")
                    }
                }
            }

            // A candidate with a connection of its own, which it will lose.
            let doomed = try EtcdClient(client.configuration)
            let election = try LeaderElection(
                name,
                candidate: "\(context.nodeID)-a",
                on: .client(doomed, timeToLive: .seconds(2))
            )
            let term = try await election.campaign()
            try await term.proclaim("\(context.nodeID)-a at work")

            // The next one waits for its turn …
            group.addTask {
                try await standBy.lead { next in
                    try context.expect(next.fencingToken > term.fencingToken, "a higher token in a later term")
                    // A late write of the old leader has no effect.
                    let late = try await client.transaction(if: [term.isCurrent], then: [.delete(Key(name))])
                    try context.expect(!late.succeeded, "etcd refuses what was guarded by the old term")
                    try await Task.sleep(for: .milliseconds(500))
                }
            }
            try await Task.sleep(for: .milliseconds(500))
            try context.expect(election.isLeader && !standBy.isLeader, "one leads at a time")

            // … which comes when the leader has crashed, and its lease has run out.
            context.say("\(context.nodeID)-a loses its connection")
            await doomed.close()
            let loss = try await term.lost
            context.say("\(context.nodeID)-a knows at once that it leads no more (\(loss.reason))")
            // The observer goes on for ever, so it is the stand-by's term that ends.
            try await group.next()
            group.cancelAll()
        }
    }
}
