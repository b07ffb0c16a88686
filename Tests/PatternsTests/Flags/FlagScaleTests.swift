// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("FeatureFlags: evaluation among many", .measurement, .serialized, .timeLimit(.minutes(5)))
struct FlagScaleTests {
    /// The shortest time of the first evaluation after a change, of `count` flags.
    private func cost(of count: Int) async throws -> Duration {
        try await withLiveClient { client, name in
            for start in stride(from: 0, to: count, by: 100) {
                try await client.transaction(
                    then: (start..<min(start + 100, count)).map { .put(name + "/flag-\($0)", #"{"serve": "on"}"#) }
                )
            }
            // By default, it would begin without flags after a while.
            return try await client.withFeatureFlags("\(name)", initialWait: .seconds(60)) { flags in
                #expect(flags.readCount == 0, "none was evaluated")
                for number in 0..<10 { #expect(flags.isEnabled("flag-\(number)")) }
                #expect(flags.readCount == 10)
                var shortest = Duration.seconds(60)
                for round in 0..<20 {
                    let value = Value(#"{"enabled": \#(round % 2 == 1)}"#)
                    let revision = try await client.put(name + "/flag-0", value).header.revision
                    try await flags.mirror.waitUntil(revision: revision)
                    let start = ContinuousClock.now
                    let isOn = flags.isEnabled("flag-0")
                    shortest = min(shortest, start.duration(to: .now))
                    #expect(isOn == (round % 2 == 1))
                    #expect(flags.isEnabled("flag-9"))
                    #expect(flags.readCount == 11 + round, "only the changed flag is read")
                }
                #expect(flags.allFlags.count == count && flags.errors.isEmpty)
                #expect(flags.readCount == count + 20, "flags that were read before are not read again")
                return shortest
            }
        }
    }

    @Test("the first evaluation after a change costs the same among 10,000 flags as among 100")
    func cost() async throws {
        let (few, many) = (try await cost(of: 100), try await cost(of: 10_000))
        #expect(many < few * 20, "\(few) among 100, \(many) among 10,000")
    }

    // MARK: Memory

    private let cache = FlagCache()

    private func flags(_ values: [Key: Value], at revision: Revision, list: Int = 1) -> FlagView {
        let entries = values.map { KeyValue("f/" + $0, $1, at: revision) }
        let mirror = MirrorView(range: .prefix("f/"), revision: revision, entries: entries)
        let version = MirrorVersion(list: list, revision: revision)
        return FlagView(StoredFlags(entries: mirror, version: version, prefix: "f/", cache: cache))
    }

    @Test("an older view does not change, whatever was read for newer ones, also after a restoration")
    func olderSnapshots() {
        let old = flags(["a": "true", "b": #"{"requires": {"a": "on"}}"#], at: 5)
        let new = flags(["a": "false", "b": #"{"requires": {"c": "on"}}"#], at: 6)
        let restored = flags(["a": "true"], at: 6, list: 2)
        for _ in 0..<3 {
            #expect(old.isEnabled("a") && old.isEnabled("b"))
            #expect(!new.isEnabled("a") && new.evaluate("b", default: true).error?.code == .prerequisite)
            #expect(restored.isEnabled("a") && restored.evaluate("b", default: true).error?.code == .flagNotFound)
        }
        #expect(new.errors.map(\.flag) == ["b"] && old.errors.isEmpty && restored.errors.isEmpty)
    }

    @Test("the cache does not keep flags that are gone")
    func bound() {
        for round in 0..<1000 {
            let view = flags(["flag-\(round)": "true"], at: Revision(rawValue: Int64(round + 1)))
            #expect(view.isEnabled("flag-\(round)"))
        }
        #expect(cache.count <= 200)
    }

    @Test("each evaluation during changes is of one revision", .timeLimit(.minutes(1)))
    func concurrency() async {
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<4 {
                group.addTask {
                    for round in 1...2000 {
                        let isOn = round % 2 == 0
                        let values: [Key: Value] = [
                            "a": isOn ? "true" : "false", "b": #"{"requires": {"a": "\#(isOn ? "on" : "off")"}}"#,
                        ]
                        let view = flags(values, at: Revision(rawValue: Int64(round)))
                        #expect(view.isEnabled("a") == isOn && view.isEnabled("b"))
                    }
                }
            }
        }
    }

    @Test("a name that is not text is reported, and is not a flag")
    func names() {
        let view = flags([Key(bytes: [0xff]): "true", "a": "true"], at: 1)
        #expect(view.allFlags.keys.sorted() == ["a"])
        #expect(view.errors.map(\.code) == [.invalidDefinition])
    }

    @Test("names that only look the same belong to two flags")
    func canonicalNames() {
        let view = flags(["e\u{301}": "true", "\u{e9}": "false"], at: 1)
        for _ in 0..<2 { #expect(view.isEnabled("e\u{301}") && !view.isEnabled("\u{e9}")) }
    }
}
