// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Example {
    static let transaction = Example(
        name: "txn",
        summary: "moves money between two accounts, all or nothing"
    ) { context in
        let client = context.client
        let ada = context.prefix + "accounts/ada"
        let bob = context.prefix + "accounts/bob"

        // A transaction without conditions makes several changes in one revision.
        let opened = try await client.transaction(then: [.put(ada, "100"), .put(bob, "20")])
        context.say("opened two accounts in revision \(opened.header.revision)")

        /// Moves `amount` from Ada to Bob if neither account has changed since it was read.
        func transfer(_ amount: Int, from adaEntry: KeyValue, to bobEntry: KeyValue) async throws -> Bool {
            let response = try await client.transaction(
                if: [.modRevision(ada) == adaEntry.modRevision, .modRevision(bob) == bobEntry.modRevision],
                then: [
                    .put(ada, "\(adaEntry.balance - amount)"),
                    .put(bob, "\(bobEntry.balance + amount)"),
                ],
                else: [.get(ada), .get(bob)]
            )
            let outcome = response.succeeded ? "done in revision \(response.header.revision)" : "refused"
            context.say("transfer of \(amount): \(outcome)")
            for entry in response.results.flatMap(\.entries) {
                context.say("  \(entry.key) is \(entry.value) since revision \(entry.modRevision)")
            }
            return response.succeeded
        }

        // Both entries come from one read, so they belong together.
        let before = try await client.range(.prefix(context.prefix + "accounts/")).entries
        try context.expect(before.count == 2, "two accounts")
        let first = try await transfer(30, from: before[0], to: before[1])
        try context.expect(first, "the first transfer goes through")

        // The same entries again: they are out of date now, so nothing may happen.
        let second = try await transfer(30, from: before[0], to: before[1])
        try context.expect(!second, "a transfer from stale balances is refused")

        let after = try await client.range(.prefix(context.prefix + "accounts/")).entries
        context.say("balances: \(after.map { "\($0.value)" }.joined(separator: " and "))")
        try context.expect(after.map(\.balance) == [70, 50], "70 and 50")
    }
}

extension KeyValue {
    fileprivate var balance: Int { value.string.flatMap { Int($0) } ?? 0 }
}
