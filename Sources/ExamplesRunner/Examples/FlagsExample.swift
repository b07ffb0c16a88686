// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let flags = Example(
        name: "flags",
        summary: "features that are switched while programs run, for some or all users"
    ) { context in
        try await context.client.withFeatureFlags("\(context.prefix)flags") { flags in
            try await flags.enable("new-ui")
            context.say("new-ui is \(flags.isEnabled("new-ui") ? "on" : "off") for everybody")
            try context.expect(flags.isEnabled("new-ui"), "the flag is on")

            // For a part of the users, which grows: nobody loses what they have.
            let users = (1...1000).map { FlagContext("user-\($0)") }
            var before: Set<FlagContext> = []
            for percentage in [10.0, 25, 50] {
                try await flags.update("new-ui") { $0.serving = .percentage(percentage) }
                let now = Set(users.filter { flags.isEnabled("new-ui", for: $0) })
                context.say(
                    "\(Int(percentage)) %: on for \(now.count) of 1000 users, \(before.subtracting(now).count) lost it"
                )
                try context.expect(before.isSubset(of: now), "who has it keeps it")
                before = now
            }

            // A rule gives it to paying users first.
            try await flags.update("new-ui") { flag in
                flag.rules = [.init(if: [.attribute("plan", in: ["pro", "team"])], serve: .variant("on"))]
            }
            let payer = FlagContext("user-0", attributes: ["plan": "pro"])
            let evaluation = flags.evaluate("new-ui", default: false, for: payer)
            context.say("for a user who pays it is \(evaluation.variant ?? "nothing"): \(evaluation.reason)")
            try context.expect(evaluation.reason == .targetingMatch, "the rule decides")

            // Others switch flags, too, as `etcdctl put` does, and the news arrives.
            var changes = flags.changes.makeAsyncIterator()
            _ = try await changes.next()
            try await context.client.put(context.prefix + "flags/new-ui", "false")
            let change = try await changes.next()
            context.say("somebody has changed \(change?.updated.joined() ?? "nothing"): the kill switch")
            try context.expect(!flags.isEnabled("new-ui", for: payer), "the flag is off for everybody")
        }
    }
}
