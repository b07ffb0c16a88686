// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// A restoration of many values, whose process dies on the way.
///
/// `RESTORE_KEYS=5000 RESTORE_STRIDE=1 swift test --no-parallel --filter RestoreTests` kills one of 5,000 keys after each
/// of its requests.
@Suite("SnapshotManager: restorations that die on the way", .slow, .serialized, .timeLimit(.minutes(30)))
struct RestoreTests {
    /// Two states of a configuration, so large that one transaction cannot change the one into the other.
    private struct Generation: Equatable {
        let values: [Key: Value]

        init(_ mark: String, count: Int) {
            var values: [Key: Value] = [:]
            for number in 0..<count { values["k/\(number)"] = Value("\(mark) \(number)") }
            for number in 0..<count / 10 { values["only/\(mark)/\(number)"] = Value(mark) }
            self.values = values
        }
    }

    private static func setting(_ name: String) -> Int? { ProcessInfo.processInfo.environment[name].flatMap(Int.init) }

    /// The plain keys, as programs without this library see them.
    private func plain(_ client: EtcdClient, _ name: Key) async throws -> [Key: Value] {
        let layout = try ConfigLayout("\(name)")
        let pairs = try await client.list(layout.range).compactMap { entry in
            layout.key(entry.key).map { ($0, entry.value) }
        }
        return Dictionary(pairs) { $1 }
    }

    @Test("whenever the restorer dies, readers have the old or the new state; the next restorer completes it")
    func killed() async throws {
        try await killed(keys: Self.setting("RESTORE_KEYS") ?? 300, stride: Self.setting("RESTORE_STRIDE") ?? 1)
    }

    @Test("a restorer of many more keys that dies at some of its steps leaves the old or the new state")
    func killedLarge() async throws {
        try await killed(keys: TestScale.pick(1500, long: 5000), stride: TestScale.pick(14, long: 45))
    }

    private func killed(keys: Int, stride: Int) async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let (old, new) = (Generation("old", count: keys), Generation("new", count: keys))
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await snapshots.replace(with: new.values.mapValues(\.bytes))
            try await snapshots.create("new")
            try await snapshots.replace(with: old.values.mapValues(\.bytes))
            try await snapshots.create("old")
            #expect(try await plain(client, name) == old.values)
            let config = try await ConfigManager("\(name)", client: client)
            let watcher = Task {
                var seen = Set<[Key: Value]>()
                for await view in config.views { seen.insert(view.values()) }
                return seen
            }
            var outcomes = (old: 0, new: 0, mixed: 0)
            var requests = 1
            while true {
                let victim = try mortalClient(endpoint, requests: requests)
                var isKilled = false
                do {
                    try await SnapshotManager("\(name)", client: victim).restore("new")
                } catch {
                    isKilled = true
                }
                await victim.close()
                // Without etcd, it would begin with nothing after a while.
                let fresh = try await client.withConfiguration(
                    "\(name)",
                    options: ConfigOptions(initialWait: .seconds(60))
                ) {
                    $0.values()
                }
                #expect(fresh == old.values || fresh == new.values, "after \(requests) requests: \(fresh.count) values")
                if fresh == old.values { outcomes.old += 1 } else { outcomes.new += 1 }
                let raw = try await plain(client, name)
                if raw != old.values && raw != new.values { outcomes.mixed += 1 }
                if !isKilled {
                    #expect(raw == new.values)
                    break
                }
                // The next restorer completes the pending restoration, and does its own.
                try await snapshots.restore("old")
                #expect(try await plain(client, name) == old.values)
                let reserved = try await client.range(.prefix(name + "/.restore")).entries
                #expect(reserved.isEmpty, "after \(requests) requests: \(reserved.map(\.key))")
                requests += stride
            }
            await config.close()
            let seen = await watcher.value
            #expect(seen.isSubset(of: [old.values, new.values]), "\(seen.map(\.count))")
            // The control: it has died before, after and in the middle, where the plain keys are a mix.
            #expect(outcomes.old > 0 && outcomes.new > 1 && outcomes.mixed > 0, "\(outcomes)")
            #expect(try await snapshots.list().records.map(\.name) == ["1", "new", "old"])
        }
    }

    @Test("values that together are too large for one request of etcd are copied in several")
    func largeValues() async throws {
        try await withLiveClient { client, name in
            var state: [Key: [UInt8]] = [:]
            for number in 0..<12 { state["k/\(number)"] = [UInt8](repeating: UInt8(number), count: 300_000) }
            try await SnapshotManager("\(name)", client: client).replace(with: state)
            #expect(try await plain(client, name) == state.mapValues { Value(bytes: $0) })
            // The control: etcd refuses them in one.
            await expectError(.requestTooLarge) {
                try await client.transaction(then: state.map { .put(name + "/" + $0.key, Value(bytes: $0.value)) })
            }
        }
    }

    @Test("wherever the restorer's connection breaks, the state is the old or the new one, as the error says")
    func cutOff() async throws {
        try await withLiveClient { client, name in
            let (old, new) = (Generation("old", count: 300), Generation("new", count: 300))
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await snapshots.replace(with: new.values.mapValues(\.bytes))
            try await snapshots.create("new")
            try await snapshots.replace(with: old.values.mapValues(\.bytes))
            try await snapshots.create("old")
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                var outcomes: [String: Int] = [:]
                for trial in 0..<24 {
                    let direction: FaultProxy.Direction = trial % 2 == 0 ? .toServer : .toClient
                    let cut = try EtcdClient(endpoints: proxy.endpoint)
                    _ = try await cut.get("warm")
                    await proxy.cut(afterBytes: (direction == .toServer ? 2500 : 900) * (trial / 2 + 1), direction)
                    var outcome = "done"
                    do {
                        try await SnapshotManager("\(name)", client: cut).restore("new")
                    } catch let error as EtcdError {
                        outcome = error.code == .ambiguous ? "ambiguous" : "failed"
                    } catch let error as ConfigError {
                        outcome = "\(error.code)"
                    }
                    await proxy.cut(afterBytes: nil, direction)
                    await cut.close()
                    outcomes[outcome, default: 0] += 1
                    let values = try await client.withConfiguration("\(name)") { $0.values() }
                    #expect(values == old.values || values == new.values)
                    switch outcome {
                    case "done", "unfinished": #expect(values == new.values, "\(trial): \(outcome)")
                    case "failed": #expect(values == old.values, "\(trial): \(outcome)")
                    default: #expect(outcome == "ambiguous", "\(trial): \(outcome)")
                    }
                    try await snapshots.restore("old")
                    #expect(try await plain(client, name) == old.values, "\(trial): \(outcome)")
                }
                // The control: some cuts have an effect, but not all of them.
                #expect(outcomes.count > 1 && outcomes["done"] != nil, "\(outcomes)")
            }
        }
    }

    @Test("until the copying is finished, others can put and change values, and nothing is lost")
    func pending() async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let (old, new) = (Generation("old", count: 300), Generation("new", count: 300))
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await snapshots.replace(with: new.values.mapValues(\.bytes))
            try await snapshots.create("new")
            try await snapshots.replace(with: old.values.mapValues(\.bytes))
            let config = try await ConfigManager("\(name)", client: client)
            /// Restores "new", and dies once that is in effect.
            func die() async throws {
                try await snapshots.replace(with: old.values.mapValues(\.bytes))
                var requests = 5
                while try await client.get(name + "/.restore") == nil {
                    requests += 1
                    let victim = try mortalClient(endpoint, requests: requests)
                    _ = try? await SnapshotManager("\(name)", client: victim).restore("new")
                    await victim.close()
                    try #require(try await plain(client, name) != new.values)
                }
                try await eventually("the new state is in effect") { config["k/0"] == "new 0" }
                #expect(try await client.get(name + "/k/0")?.value == "old 0")
            }

            try await die()
            // As etcdctl does it.
            let put = try await client.put(name + "/k/0", "by hand").header.revision
            try await config.waitUntil(revision: put)
            #expect(config["k/0"] == "by hand" && config["k/1"] == "new 1")
            try await config.set("k/2", "set")
            #expect(config["k/2"] == "set" && config["k/1"] == "new 1")
            // A deletion has to be made in the plain keys, so the copying is finished first.
            try await config.delete("k/3")
            var expected = new.values
            (expected["k/0"], expected["k/2"], expected["k/3"]) = ("by hand", "set", nil)
            #expect(config.values() == expected)
            #expect(try await plain(client, name) == expected)
            #expect(try await client.get(name + "/.restore") == nil)

            try await die()
            #expect(try await config.update("k/5", as: String.self) { ($0 ?? "") + "!" } == "new 5!")
            expected = new.values
            expected["k/5"] = "new 5!"
            #expect(try await plain(client, name) == expected)

            try await die()
            // Several clients finish it at once.
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<4 { group.addTask { _ = try? await config.delete("none") } }
            }
            #expect(try await plain(client, name) == new.values)
            await config.close()
        }
    }

    @Test(
        "a change during a restoration is a conflict, and not lost",
        arguments: [20, TestScale.pick(150, long: 300)]
    )
    func conflict(keys: Int) async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let (old, new) = (Generation("old", count: keys), Generation("new", count: keys))
            let snapshots = try SnapshotManager("\(name)", client: client)
            try await snapshots.replace(with: new.values.mapValues(\.bytes))
            try await snapshots.create("new")
            try await snapshots.replace(with: old.values.mapValues(\.bytes))
            try await client.withConfiguration("\(name)") { config in
                let compared = config.view.revision
                try await config.set("k/0", "mine")
                let error = await #expect(throws: ConfigError.self) {
                    try await snapshots.restore("new", expecting: compared)
                }
                #expect(error?.code == .conflict && error?.key == "k/0")
                try await config.delete("k/1")
                let afterPut = try await client.get(name + "/k/0")?.modRevision ?? 0
                // A deletion leaves no key to compare, but is detected.
                await #expect(throws: ConfigError.self) { try await snapshots.restore("new", expecting: afterPut) }
                #expect(config["k/0"] == "mine" && config["k/1"] == nil)

                // A change by another client between its read and its commit, and at each of its later requests.
                for isDeletion in [false, true] {
                    var outcomes = (conflicts: 0, kept: 0)
                    for request in 2... {
                        try await snapshots.replace(with: old.values.mapValues(\.bytes))
                        let change = Lock(Revision(rawValue: 0))
                        let restorer = try InterruptedClient(endpoint, after: request) {
                            let revision = try await isDeletion ? config.delete("k/2") : config.set("k/2", "mine")
                            change.withLock { $0 = revision }
                        }
                        let result = await Task {
                            try await SnapshotManager("\(name)", client: restorer.client).restore("new")
                        }.result
                        await restorer.client.close()
                        guard restorer.hasRun else { break }
                        let changed: Value? = isDeletion ? nil : "mine"
                        if case .failure(let error) = result {
                            #expect((error as? ConfigError)?.code == .conflict, "\(error)")
                            #expect(config["k/0"] == "old 0" && config["k/2"] == changed)
                            outcomes.conflicts += 1
                            continue
                        }
                        // The values that counted for readers when the change was made.
                        let revision = change.withLock { $0 }
                        let pointer = try await client.get(name + "/.restore", at: revision)
                        let other = try await client.get(name + "/k/1", at: revision)?.value
                        let wasRestored = pointer != nil || other == "new 1"
                        let present = try await client.get(name + "/k/2")?.value
                        #expect(present == (wasRestored ? changed : "new 2"), "after request \(request)")
                        if wasRestored { outcomes.kept += 1 }
                    }
                    #expect(outcomes.conflicts > 0 && outcomes.kept > 0, "\(outcomes)")
                }
            }
        }
    }

    /// A key that the state in effect has, one that it has not, and one that is new.
    @Test(
        "a value that is put while the state in effect is copied stays, whenever it comes",
        arguments: ["b", "gone", "c"]
    )
    func overtaken(key: String) async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let layout = try ConfigLayout("\(name)")
            try await put(into: layout, client)
            let undisturbed = try InterruptedClient(endpoint, after: .max) {}
            _ = try await Restorer(client: undisturbed.client, layout: layout).settled()
            await undisturbed.client.close()
            var expected: [Key: Value] = ["kept": "new", "b": "new"]
            #expect(try await plain(client, name) == expected)
            expected[Key(key)] = "mine"
            var repeated = 0
            for request in 1... {
                try await client.delete(layout.range)
                try await put(into: layout, client)
                let copyist = try InterruptedClient(endpoint, after: request) {
                    try await client.put(layout.full(Key(key)), "mine")
                }
                _ = try await Restorer(client: copyist.client, layout: layout).settled()
                await copyist.client.close()
                guard copyist.hasRun else { break }
                #expect(try await plain(client, name) == expected, "after request \(request)")
                if copyist.requests > undisturbed.requests { repeated += 1 }
            }
            // The control: some puts came between the copyist's read and its put; a new key does not conflict.
            #expect(repeated > 0 || key == "c")
        }
    }

    /// Puts values, and another state into effect that is not in the plain keys yet.
    private func put(into layout: ConfigLayout, _ client: EtcdClient) async throws {
        for key: Key in ["kept", "b", "gone"] { try await client.put(layout.full(key), "old") }
        try await putIntoEffect(["kept": "new", "b": "new"], layout, client)
    }
}
