// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("FeatureFlags", .live, .timeLimit(.minutes(2)))
struct FeatureFlagsTests {
    @Test("flags are switched, defined, changed and removed, and each change is visible here when the call returns")
    func editing() async throws {
        try await withLiveClient { client, name in
            let flags = try await FeatureFlags("\(name)", client: client)
            #expect(flags.allFlags.isEmpty && !flags.isEnabled("new-ui"))
            try await flags.enable("new-ui")
            #expect(flags.isEnabled("new-ui"))
            #expect(try await client.get(name + "/new-ui")?.value == "true")
            try await flags.disable("new-ui")
            #expect(!flags.isEnabled("new-ui"))
            #expect(try await client.get(name + "/new-ui")?.value == "false")

            let pro = FeatureFlag.Rule(if: [.attribute("plan", equals: "pro")], serve: .variant("on"))
            try await flags.set("new-ui", to: FeatureFlag(rules: [pro], serve: .percentage(0)))
            let context = FlagContext("ann", attributes: ["plan": "pro"])
            #expect(flags.isEnabled("new-ui", for: context) && !flags.isEnabled("new-ui", for: FlagContext("bob")))
            // The switch keeps the rules.
            try await flags.disable("new-ui")
            #expect(!flags.isEnabled("new-ui", for: context))
            try await flags.enable("new-ui")
            #expect(flags.isEnabled("new-ui", for: context) && !flags.isEnabled("new-ui", for: FlagContext("bob")))
            let changed = try await flags.update("new-ui") { $0.serving = .percentage(100) }
            #expect(changed.rules == [pro] && flags.allFlags == ["new-ui": changed])
            #expect(flags.isEnabled("new-ui", for: FlagContext("bob")))
            #expect(try await flags.remove("new-ui"))
            #expect(try await !flags.remove("new-ui"))
            #expect(flags.allFlags.isEmpty)
            await flags.close()
            #expect(flags.failure?.code == .cancelled && flags.isStale)
        }
    }

    @Test("concurrent edits are all done, one after the other")
    func concurrentEdits() async throws {
        try await withLiveClient { client, name in
            try await client.withFeatureFlags("\(name)") { flags in
                let start = FeatureFlag(variants: ["count": 0], serve: .variant("count"))
                try await flags.set("flag", to: start)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<12 {
                        group.addTask {
                            try await flags.update("flag") { flag in
                                guard case .int(let count)? = flag.variants["count"] else { return }
                                flag.variants["count"] = .int(count + 1)
                            }
                        }
                    }
                    try await group.waitForAll()
                }
                #expect(flags.value("flag", default: 0) == 12)
            }
        }
    }

    @Test("invalid changes are refused, and nothing is written")
    func refusedEdits() async throws {
        try await withLiveClient { client, name in
            try await client.withFeatureFlags("\(name)") { flags in
                func expectRefusal(_ code: FlagError.Code, _ edit: () async throws -> Void) async {
                    let error = await #expect(throws: FlagError.self) { try await edit() }
                    #expect(error?.code == code, "\(String(describing: error))")
                }
                try await flags.enable("a")
                var requiring = FeatureFlag()
                requiring.prerequisites = ["a": "on"]
                try await flags.set("b", to: requiring)
                let before = try await client.range(.prefix(name + "/")).entries
                await expectRefusal(.flagNotFound) { try await flags.update("missing") { $0.isEnabled = true } }
                await expectRefusal(.prerequisite) { try await flags.update("a") { $0.prerequisites = ["b": "on"] } }
                await expectRefusal(.invalidDefinition) {
                    try await flags.set("a", to: FeatureFlag(serve: .variant("x")))
                }
                let rule = FeatureFlag.Rule(
                    if: [.init(attribute: "age", relation: "near", values: [1])],
                    serve: .variant("on")
                )
                await expectRefusal(.invalidDefinition) { try await flags.update("a") { $0.rules = [rule] } }
                await expectRefusal(.invalidDefinition) {
                    try await flags.set("n", to: FeatureFlag(variants: ["a": .double(.nan)], serve: .variant("a")))
                }
                await expectError(.emptyKey) { try await flags.enable("") }
                #expect(try await client.range(.prefix(name + "/")).entries == before)
            }
            await expectError(.emptyKey) { try await FeatureFlags("", client: client) }
        }
    }

    @Test("existing flags are known at the start")
    func start() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/plain", "true")
            try await client.put(name + "/deep/name", #"{"serve": "off"}"#)
            try await client.put(name + "2/other", "true")
            let start = ContinuousClock.now
            let flags = try await FeatureFlags("\(name)", client: client)
            #expect(flags.isEnabled("plain") && flags.allFlags.keys.sorted() == ["deep/name", "plain"])
            #expect(flags.evaluate("plain", default: false).reason == .static)
            if case .etcd(let since) = flags.source { #expect(since >= start) } else { Issue.record() }
        }
    }

    @Test("flags have the caller's defaults without etcd at the start, are stale, and are known once etcd is there")
    func offlineStart() async throws {
        try await withLiveClient { writer, name in
            try await writer.put(name + "/plain", "true")
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                await proxy.refuseConnections()
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                try await withEtcdClient(configuration) { client in
                    let start = ContinuousClock.now
                    try await client.withFeatureFlags("\(name)", initialWait: .milliseconds(300)) { flags in
                        #expect(start.duration(to: .now) >= .milliseconds(300))
                        if case .nothing(let since) = flags.source { #expect(since >= start) } else { Issue.record() }
                        #expect(flags.isStale && flags.allFlags.isEmpty && flags.value("plain", default: 7) == 7)
                        let evaluation = flags.evaluate("plain", default: true)
                        #expect(evaluation.value && evaluation.reason == .error)
                        #expect(evaluation.error?.code == .notReady)
                        var changes = flags.changes.makeAsyncIterator()
                        try await proxy.acceptConnections()
                        #expect(try await changes.next()?.updated == ["plain"])
                        #expect(flags.isEnabled("plain") && flags.source.isEtcd && !flags.isStale)
                        #expect(flags.source.since > start)
                        #expect(flags.evaluate("missing", default: 1).error?.code == .flagNotFound)
                    }
                }
            }
            await writer.close()
            await expectError(.clientClosed) { try await FeatureFlags("\(name)", client: writer) }
        }
    }

    @Test("of two edits that would make a circle together, the second is refused at any time")
    func circle() async throws {
        let endpoint = try await liveEndpoint()
        try await withLiveClient { client, name in
            let flags = try await FeatureFlags("\(name)", client: client)
            var refused = (own: 0, other: 0)
            for request in 1... {
                for flag in ["a", "b", "c"] { try await flags.set(flag, to: FeatureFlag()) }
                // a requires b, which requires c, which requires a.
                try await flags.update("b") { $0.prerequisites = ["c": "on"] }
                let other = Lock<Result<Void, any Error>?>(nil)
                let interrupted = try InterruptedClient(endpoint, after: request) {
                    let result = await Task {
                        _ = try await flags.update("a") { $0.prerequisites = ["b": "on"] }
                    }.result
                    other.withLock { $0 = result }
                }
                let editor = try await FeatureFlags("\(name)", client: interrupted.client)
                let own = await Task {
                    var flag = FeatureFlag()
                    flag.prerequisites = ["a": "on"]
                    try await editor.set("c", to: flag)
                }.result
                await editor.close()
                await interrupted.client.close()
                guard interrupted.hasRun, let other = other.withLock({ $0 }) else { break }
                let errors = [own, other].map { result -> FlagError? in
                    if case .failure(let error) = result { error as? FlagError } else { nil }
                }
                #expect(errors.compactMap { $0?.code } == [.prerequisite], "after request \(request): \(own) \(other)")
                if errors[0] != nil { refused.own += 1 } else { refused.other += 1 }
                _ = try await flags.mirror.consistentView()
                #expect(flags.errors.isEmpty, "after request \(request)")
            }
            // The control: each edit was the first one at times, also after the other had begun.
            #expect(refused.own > 0 && refused.other > 0, "\(refused)")
        }
    }

    @Test("names that would mix keys are refused at once", arguments: ["/", "a/", "a//b", "/a"])
    func names(name: String) async throws {
        try await withLiveClient { client, prefix in
            if name != "/a" {
                await expectError(.invalidArgument) { try await FeatureFlags(name, client: client) }
            }
            try await client.withFeatureFlags("\(prefix)") { flags in
                await expectError(.invalidArgument) { try await flags.enable(name) }
                await expectError(.invalidArgument) { try await flags.set(name, to: FeatureFlag()) }
                await expectError(.invalidArgument) { try await flags.remove(name) }
            }
        }
    }

    @Test(
        "an invalid percentage or invalid weights are refused, and are an error if they are in the store",
        .timeLimit(.minutes(1))
    )
    func percentages() async throws {
        try await withLiveClient { client, name in
            try await client.withFeatureFlags("\(name)") { flags in
                for percentage in [.nan, -0.001, 100.001, .infinity, -.infinity] as [Double] {
                    let flag = FeatureFlag(serve: .percentage(percentage))
                    let error = await #expect(throws: FlagError.self) { try await flags.set("new", to: flag) }
                    #expect(error?.code == .invalidDefinition)
                    #expect(error?.message.contains("percentage \(percentage) is not from 0 to 100") == true)
                }
                #expect(try await client.get(name + "/new") == nil)
                for weights in [[-1, 2], [0, 0], [1 << 31, 1]] {
                    let split =
                        #"[{"variant": "on", "weight": \#(weights[0])}, {"variant": "off", "weight": \#(weights[1])}]"#
                    let put = try await client.put(name + "/new", Value(#"{"serve": {"split": \#(split)}}"#))
                    try await flags.mirror.waitUntil(revision: put.header.revision)
                    let evaluation = flags.evaluate("new", default: false, for: FlagContext("ann"))
                    #expect(!evaluation.value && evaluation.error?.code == .invalidDefinition)
                    #expect(evaluation.error?.message.contains("make no split") == true)
                }
            }
        }
    }

    @Test(
        "an unreadable definition has the caller's default and an error until it is corrected, and affects no other"
    )
    func poisoned() async throws {
        try await withLiveClient { client, name in
            try await client.withFeatureFlags("\(name)") { flags in
                try await flags.enable("good")
                try await flags.enable("bad")
                let revision = try await client.put(name + "/bad", #"{"serve": "#).header.revision
                try await flags.mirror.waitUntil(revision: revision)
                #expect(flags.isEnabled("good") && !flags.isEnabled("bad"))
                let evaluation = flags.evaluate("bad", default: true)
                #expect(evaluation.value && evaluation.reason == .error && evaluation.error?.code == .invalidDefinition)
                #expect(flags.errors.map(\.flag) == ["bad"])
                #expect(flags.errors.first?.message.contains(#"{"serve": "#) == true)
                await #expect(throws: FlagError.self) { try await flags.disable("bad") }
                try await flags.set("bad", to: FeatureFlag())
                #expect(flags.isEnabled("bad") && flags.errors.isEmpty)
            }
        }
    }

    @Test("changes come revision by revision, and evaluations follow them at once")
    func changes() async throws {
        try await withLiveClient { client, name in
            try await client.put(name + "/a", "true")
            try await client.withFeatureFlags("\(name)") { flags in
                var changes = flags.changes.makeAsyncIterator()
                #expect(try await changes.next()?.updated == ["a"])
                try await client.transaction(then: [.put(name + "/b", "false"), .put(name + "/c", "true")])
                #expect(try await changes.next()?.updated == ["b", "c"])
                #expect(!flags.isEnabled("b") && flags.isEnabled("c"))
                // A view that was taken before the change stays as it was.
                let before = flags.view
                let revision = try await client.delete(name + "/a").header.revision
                let change = try await changes.next()
                #expect(change?.removed == ["a"] && change?.updated == [] && change?.revision == revision)
                #expect(before.isEnabled("a") && !flags.isEnabled("a"))
            }
        }
    }

    @Test("flags keep their values while etcd is out of reach, are stale, and catch up afterwards")
    func partition() async throws {
        try await withLiveClient { writer, name in
            try await writer.put(name + "/flag", "true")
            try await withFaultProxy(to: try await liveEndpoint()) { proxy in
                var configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
                configuration.backoff.maximum = .milliseconds(100)
                configuration.callTimeout = .seconds(1)
                try await withEtcdClient(configuration) { client in
                    try await client.withFeatureFlags("\(name)", staleAfter: .seconds(3)) { flags in
                        var changes = flags.changes.makeAsyncIterator()
                        #expect(try await changes.next()?.updated == ["flag"])
                        // The control: with etcd in reach, they become current again and again.
                        let start = ContinuousClock.now
                        try await eventually("they are current after longer than that") {
                            .now > start + .seconds(4) && flags.evaluate("flag", default: false).reason == .static
                        }
                        await proxy.refuseConnections()
                        await proxy.cut()
                        try await writer.put(name + "/flag", "false")
                        try await writer.put(name + "/new", "true")
                        try await eventually("they are stale") {
                            flags.evaluate("flag", default: false).reason == .stale
                        }
                        #expect(flags.isEnabled("flag") && !flags.isEnabled("new") && flags.isStale)
                        #expect(flags.evaluate("new", default: false).reason == .error)
                        try await proxy.acceptConnections()
                        #expect(try await changes.next()?.updated == ["flag"])
                        #expect(try await changes.next()?.updated == ["new"])
                        #expect(!flags.isEnabled("flag") && flags.isEnabled("new"))
                        try await eventually(within: .seconds(60), "they are current") {
                            flags.evaluate("new", default: false).reason == .static
                        }
                    }
                }
            }
        }
    }
}
