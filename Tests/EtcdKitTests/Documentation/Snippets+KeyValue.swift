// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Keys and values, transactions, namespaces.
extension Snippets {
    struct OutOfStock: Error {}

    static func values(_ client: EtcdClient) async throws {
        try await client.put("users/\(7)", Value(bytes: [0xff, 0x00]))
        let entry = try await client.get("users/7")
        print(entry?.value.bytes ?? [], entry?.value.string ?? "is no text", entry?.version ?? 0)
    }

    static func writing(_ client: EtcdClient) async throws {
        let put = try await client.put("users/1", "Grace", returningPrevious: true)
        print("it was", put.previous?.value ?? "nothing", "before revision", put.header.revision)
        let before = try await client.get("users/1", at: put.header.revision.previous)
        print("as the history has it, too:", before?.value ?? "nothing")
        try await client.touch("users/1", keepingLease: true)
        let deletion = try await client.delete(.prefix("users/"), returningPrevious: true)
        print(deletion.deleted, "are gone:", deletion.previous.map(\.key))
        try await client.compact(at: deletion.header.revision)
    }

    static func ranges(_ client: EtcdClient) async throws {
        var options = RangeOptions()
        options.sort = .descending(by: .modRevision)
        options.limit = 10
        options.keysOnly = true
        let latest = try await client.range(.between("users/a", "users/n"), options: options)
        print(latest.entries.map(\.key), "of", latest.count, latest.more ? "and more" : "and no more")
    }

    static func first(_ client: EtcdClient) async throws {
        var options = RangeOptions()
        options.sort = .ascending(by: .createRevision)
        options.limit = 1
        let oldest = try await client.range(.prefix("queue/"), options: options).entries.first
        print(oldest?.key ?? "the queue is empty")
    }

    static func entries(_ client: EtcdClient) async throws {
        for try await user in client.entries(in: .prefix("users/")) {
            print(user.key, user.value)
        }
    }

    static func nestedTransaction(_ client: EtcdClient) async throws {
        let response = try await client.transaction(
            if: [.modRevision("config") < 1_000_000, .createRevision(in: .prefix("locks/")) == 0],
            then: [
                .put("config", "new", returningPrevious: true),
                .transaction(if: [.exists("audit")], then: [.touch("audit")], else: [.put("audit", "on")]),
            ],
            else: [.range(.prefix("locks/"))]
        )
        for result in response.results {
            switch result {
            case .put(let put): print("it was", put.previous?.value ?? "nothing")
            case .transaction(let inner): print("the audit was", inner.succeeded ? "there" : "missing")
            case .range(let locks): print("locked by", locks.entries.map(\.key))
            case .delete: break
            }
        }
    }

    static func atomically(_ client: EtcdClient) async throws {
        let left = try await client.atomically { transaction in
            let stock = try await transaction.get("stock")?.value.string.flatMap { Int($0) } ?? 0
            guard stock > 0 else { throw OutOfStock() }
            transaction.put("stock", "\(stock - 1)")
            return stock - 1
        }
        print(left, "left")
    }

    static func atomicOptions(_ client: EtcdClient) async throws {
        var options = AtomicOptions(isolation: .serializable)
        options.prefetchedKeys = ["left", "right"]
        options.maximumAttempts = 5
        try await client.atomically(options) { transaction in
            let (left, right) = (try await transaction.get("left"), try await transaction.get("right"))
            transaction.put("left", right?.value ?? "")
            transaction.put("right", left?.value ?? "")
        }
    }

    static func namespace(_ client: EtcdClient) async throws {
        let team = client.with(namespace: "team-a/")
        try await team.put("owner", "me")
        print(try await team.range(.all).entries.map(\.key), "is", try await client.get("team-a/owner")?.value ?? "?")
    }
}
