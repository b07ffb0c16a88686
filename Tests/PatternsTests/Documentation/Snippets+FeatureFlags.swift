// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Foundation

extension Snippets {
    static func flagSwitch(_ client: EtcdClient) async throws {
        let flags = try await FeatureFlags("flags", client: client)
        try await flags.enable("new-ui")
        if flags.isEnabled("new-ui") { print("the new one") }
        print(flags.allFlags.keys.sorted())
        await flags.close()
    }

    static func flagRules(_ client: EtcdClient) async throws {
        try await client.withFeatureFlags("flags") { flags in
            var flag = FeatureFlag(serve: .percentage(10))
            flag.rules = [
                .init(if: [.targetingKey(in: ["eve"])], serve: .variant("off")),
                .init(
                    if: [.attribute("plan", in: ["pro", "team"]), .version("app", atLeast: "2.1")],
                    serve: .variant("on")
                ),
            ]
            flag.prerequisites = ["new-ui": "on"]
            try await flags.set("new-search", to: flag)
            try await flags.update("new-search") { $0.serving = .percentage(25) }
            let context = FlagContext("user-7", attributes: ["plan": "pro", "app": "2.10.0"])
            print(flags.isEnabled("new-search", for: context))
            print(flags.view.explain("new-search", for: context))
        }
    }

    static func flagVariants(_ flags: FeatureFlags) async throws {
        let flag = FeatureFlag(
            variants: ["small": 10, "large": 100],
            serve: .split(["small": 80, "large": 20], by: "org")
        )
        try await flags.set("page-size", to: flag)
        let context = FlagContext("user-7", attributes: ["org": "acme"])
        let evaluation = flags.evaluate("page-size", default: 25, for: context)
        print(evaluation.value, evaluation.variant ?? "the default", evaluation.reason, evaluation.error ?? "")
    }

    static func flagChanges(_ flags: FeatureFlags) async throws {
        for try await change in flags.changes {
            print("revision \(change.revision): \(change.updated) changed, \(change.removed) are gone")
        }
    }

    static func savedFlags(_ flags: FeatureFlags) throws -> FlagView {
        let saved = try JSONEncoder().encode(flags.allFlags)
        let atStart = FlagView(try JSONDecoder().decode([String: FeatureFlag].self, from: saved))
        print(atStart.isEnabled("new-ui"))
        return atStart
    }
}
