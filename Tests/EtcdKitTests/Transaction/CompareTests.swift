// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@Suite("Compare", .live, .timeLimit(.minutes(1)))
struct CompareTests {
    @Test("every property is compared by every operator")
    func propertiesAndOperators() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            let lease = try await client.leases.grant(timeToLive: .seconds(60), id: .unique).id
            try await client.put(key, "1")
            try await client.put(key, "2")
            try await client.put(key, "m", lease: lease)
            let entry = try #require(try await client.get(key))
            #expect(entry.version == 3 && entry.createRevision < entry.modRevision)

            /// `values` are below, at and above the property.
            func check<Operand>(_ property: Compare.Target<Operand>, _ values: [Operand]) async throws {
                for (index, value) in values.enumerated() {
                    #expect(try await client.holds(property == value) == (index == 1), "== \(value)")
                    #expect(try await client.holds(property != value) == (index != 1), "!= \(value)")
                    #expect(try await client.holds(property < value) == (index == 2), "< \(value)")
                    #expect(try await client.holds(property > value) == (index == 0), "> \(value)")
                }
            }
            func around(_ revision: Revision) -> [Revision] { [revision.previous, revision, revision.next] }
            try await check(.version(key), [2, 3, 4])
            try await check(.createRevision(key), around(entry.createRevision))
            try await check(.modRevision(key), around(entry.modRevision))
            try await check(.value(key), ["l", "m", "n"])
            try await check(.value(key), ["", "m", "m\0"])
            try await check(.lease(key), (-1...1).map { Lease.ID(rawValue: lease.rawValue + $0) })
            try await check(.version(in: .prefix(prefix)), [2, 3, 4])
            try await check(.createRevision(in: .prefix(prefix)), around(entry.createRevision))
            try await check(.modRevision(in: .prefix(prefix)), around(entry.modRevision))
            try await check(.value(in: .prefix(prefix)), ["l", "m", "n"])
            try await check(.lease(in: .prefix(prefix)), (-1...1).map { Lease.ID(rawValue: lease.rawValue + $0) })
        }
    }

    @Test("a key exists or is missing")
    func existence() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            #expect(try await client.holds(.isMissing(key)))
            #expect(try await !client.holds(.exists(key)))
            try await client.put(key, "")
            #expect(try await !client.holds(.isMissing(key)))
            #expect(try await client.holds(.exists(key)))
            try await client.delete(key)
            #expect(try await client.holds(.isMissing(key)))
            await expectError(.emptyKey) { try await client.holds(.exists("")) }
        }
    }

    @Test("zero and the empty value are compared like any other")
    func zeroOperands() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            try await client.put(key, "")
            #expect(try await client.holds(.value(key) == ""))
            #expect(try await client.holds(.lease(key) == .none))
            #expect(try await !client.holds(.version(key) == 0))
            #expect(try await !client.holds(.createRevision(key) == 0))
            #expect(try await !client.holds(.modRevision(key) == 0))
            try await client.put(key, "x")
            #expect(try await !client.holds(.value(key) == ""))
        }
    }

    /// The rules in the documentation of `Compare.Target` about missing keys and of ranges without entries.
    @Test("a missing key and an empty range count as zero, and no comparison of their values holds")
    func missing() async throws {
        try await withLiveClient { client, prefix in
            let ranges: [KeyRange] = [.key(prefix + "k"), .prefix(prefix), .between(prefix + "z", prefix + "a")]
            for range in ranges {
                let holding: [Compare] = [
                    .version(in: range) == 0, .version(in: range) != 1, .version(in: range) < 1,
                    .createRevision(in: range) == 0, .createRevision(in: range) < 1,
                    .modRevision(in: range) == 0, .modRevision(in: range) < 1,
                    .lease(in: range) == .none,
                ]
                for condition in holding {
                    let holds = try await client.holds(condition)
                    #expect(holds, "\(condition)")
                }
                let failing: [Compare] = [
                    .version(in: range) > 0, .version(in: range) != 0,
                    .createRevision(in: range) > 0, .modRevision(in: range) > 0, .lease(in: range) != .none,
                    .value(in: range) == "", .value(in: range) != "", .value(in: range) != "x",
                    .value(in: range) < "x", .value(in: range) > "",
                ]
                for condition in failing {
                    let holds = try await client.holds(condition)
                    #expect(!holds, "\(condition)")
                }
            }
        }
    }

    @Test("a condition on a range must hold for each of its entries")
    func ranges() async throws {
        try await withLiveClient { client, prefix in
            let lease = try await client.leases.grant(timeToLive: .seconds(60)).id
            let first = try await client.put(prefix + "a", "1", lease: lease).header.revision
            try await client.put(prefix + "b", "2", lease: lease)
            let last = try await client.put(prefix + "b", "2", lease: lease).header.revision
            try await client.put(prefix + "c", "3")
            let (both, all) = (KeyRange.between(prefix + "a", prefix + "c"), KeyRange.prefix(prefix))

            #expect(try await client.holds(.version(in: both) > 0))
            #expect(try await !client.holds(.version(in: both) > 1))
            #expect(try await !client.holds(.version(in: both) == 1))
            #expect(try await client.holds(.value(in: both) < "3"))
            #expect(try await !client.holds(.value(in: all) < "3"))
            #expect(try await client.holds(.lease(in: both) == lease))
            #expect(try await !client.holds(.lease(in: all) == lease))
            #expect(try await client.holds(.modRevision(in: both) > first.previous))
            #expect(try await !client.holds(.modRevision(in: both) > first))
            #expect(try await client.holds(.createRevision(in: both) < last))
            #expect(try await !client.holds(.createRevision(in: all) < last))
        }
    }

    @Test("all conditions must hold, and without conditions all hold")
    func several() async throws {
        try await withLiveClient { client, prefix in
            let key = prefix + "k"
            try await client.put(key, "1")
            #expect(try await client.holds())
            #expect(try await client.holds(.exists(key), .value(key) == "1", .version(key) == 1))
            #expect(try await !client.holds(.exists(key), .value(key) == "2", .version(key) == 1))
            #expect(try await !client.holds(.isMissing(key), .value(key) == "1"))
        }
    }
}

extension EtcdClient {
    fileprivate func holds(_ conditions: Compare...) async throws -> Bool {
        try await transaction(if: conditions, then: []).succeeded
    }
}

extension Lease.ID {
    /// A random ID that has neighbours.
    fileprivate static var unique: Self { Self(rawValue: .random(in: 1 << 32...1 << 62)) }
}
