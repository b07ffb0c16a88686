// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import EtcdTesting

/// Measures the time to evaluate a feature flag, with 1000 flags in a private etcd.
///
/// Rounds are short, and the best of many counts, to exclude other work on the machine.
@main
struct Flags {
    private static let (rounds, roundSize) = (1000, 1000)

    static func main() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints[0]) { client in
                for number in 0..<1000 { try await client.put("flags/flag-\(number)", "true") }
                try await client.withFeatureFlags("flags") { flags in try await measure(flags, client) }
            }
        }
    }

    private static func measure(_ flags: FeatureFlags, _ client: EtcdClient) async throws {
        try await flags.set("share", to: FeatureFlag(serve: .percentage(50)))
        let rules = (0..<10).map { number in
            FeatureFlag.Rule(if: [.attribute("plan", equals: .string("plan-\(number)"))], serve: .variant("on"))
        }
        try await flags.set("rules", to: FeatureFlag(rules: rules, serve: .variant("off")))
        var requiring = FeatureFlag()
        requiring.prerequisites = ["flag-7": "on"]
        try await flags.set("requiring", to: requiring)
        try await flags.set("limit", to: FeatureFlag(variants: ["small": 3], serve: .variant("small")))
        let context = FlagContext("user-123456", attributes: ["plan": "plan-9"])
        report("plain") { flags.isEnabled("flag-7", for: context) }
        report("plain, with the reason") { flags.evaluate("flag-7", default: false, for: context).value }
        report("number") { flags.value("limit", default: 0, for: context) == 3 }
        report("percentage") { flags.isEnabled("share", for: context) }
        report("the last of ten rules") { flags.isEnabled("rules", for: context) }
        report("prerequisite") { flags.isEnabled("requiring", for: context) }
        report("missing") { !flags.isEnabled("missing", for: context) }

        var changes = flags.changes.makeAsyncIterator()
        _ = try await changes.next()
        try await client.put("flags/flag-7", "false")
        _ = try await changes.next()
        let time = ContinuousClock().measure { _ = flags.isEnabled("flag-7") }
        print("the first after a change: \(time.formatted)")
    }

    private static func report(_ what: String, _ body: () -> Bool) {
        var best = Duration.seconds(1000)
        var count = 0
        for _ in 0..<rounds {
            best = min(best, ContinuousClock().measure { for _ in 0..<roundSize where body() { count += 1 } })
        }
        print("\(what): \((best / roundSize).formatted)\(count == rounds * roundSize ? "" : " (wrong)")")
    }
}

extension Duration {
    fileprivate var formatted: String {
        let nanoseconds = Int(self / .nanoseconds(1))
        return nanoseconds < 10_000 ? "\(nanoseconds) ns" : "\(nanoseconds / 1000) µs"
    }
}
