// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Foundation

extension Example {
    static let leaderTask = Example(
        name: "leader-task",
        summary: "a task that only the leader runs, and no slot twice; run it in several terminals",
        isShared: true
    ) { context in
        let client = context.client
        let (name, leader) = ("\(context.prefix)report", "\(context.prefix)leader")
        let (runs, ran) = AsyncStream.makeStream(of: (node: String, slot: Date).self)

        // Two nodes in this process, and those of the processes beside it.
        var tasks: [String: LeaderTask] = [:]
        for node in [context.nodeID, "\(context.nodeID)-standby"] {
            let election = try LeaderElection(leader, candidate: Value(node), on: .client(client))
            tasks[node] = try LeaderTask(name, on: election, every: .milliseconds(250)) { run in
                try await run.guarded(then: [.put("\(name)/last", "\(run.slot)")])
                let time = String(format: "%.2f", run.slot.timeIntervalSince1970)
                context.say("\(node) runs the slot \(time), in the term \(run.term.fencingToken)")
                ran.yield((node, run.slot))
            }
        }
        for task in tasks.values { task.start() }

        var slots: [Date] = []
        var first: String?
        for await (node, slot) in runs {
            slots.append(slot)
            if slots.count == 3 {
                first = node
                context.say("\(node) stops, and the next candidate leads")
                await tasks[node]?.stop()
            }
            if slots.count == 6 {
                try context.expect(node != first, "another node has taken over")
                break
            }
        }
        try context.expect(zip(slots, slots.dropFirst()).allSatisfy { $0 < $1 }, "no slot runs twice")
        if let status = try await tasks[context.nodeID]?.status() {
            context.say("the last slot was run by \(status.leader), and \(status.missedCount) were missed")
        }
        for task in tasks.values { await task.stop() }

        // Candidates leave with their sessions. The output of the task stays as long as there is one.
        let isLast = Compare.Target.createRevision(in: .prefix("\(leader)/")) == 0
        try await client.transaction(if: [isLast], then: [.delete(.prefix("\(name)/"))])
    }
}
