// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdOpenFeature
import EtcdPatterns
import EtcdTesting
import Testing

@Suite("EtcdOpenFeature", .timeLimit(.minutes(2)))
struct OpenFeatureTests {
    private func withFlags(_ body: (FeatureFlags, EtcdCluster) async throws -> Void) async throws {
        try await withEtcd { client, cluster in
            let flags = try await FeatureFlags("flags", client: client, staleAfter: .seconds(2))
            try await body(flags, cluster)
            await flags.close()
        }
    }

    @Test("OpenFeatureClient gives values with the reasons and codes of OpenFeature")
    func details() async throws {
        try await withFlags { flags, _ in
            var flag = FeatureFlag(serve: .variant("off"))
            flag.rules = [.init(if: [.attribute("plan", in: ["pro"])], serve: .variant("on"))]
            try await flags.set("new-ui", to: flag)
            let client = OpenFeatureClient(flags)
            let pro = client.details("new-ui", default: false, context: FlagContext("u", attributes: ["plan": "pro"]))
            #expect(pro.value)
            #expect(pro.variant == "on")
            #expect(pro.reason == "TARGETING_MATCH")
            #expect(pro.errorCode == nil)
            #expect(pro.errorMessage == nil)
            #expect(client.details("new-ui", default: true).reason == "DEFAULT")
            let missing = client.details("missing", default: 7)
            #expect(missing.value == 7)
            #expect(missing.reason == "ERROR")
            #expect(missing.errorCode == "FLAG_NOT_FOUND")
            #expect(missing.errorMessage?.isEmpty == false)
            let mistyped = client.details("new-ui", default: "text")
            #expect(mistyped.value == "text")
            #expect(mistyped.errorCode == "TYPE_MISMATCH")
        }
    }

    @Test("OpenFeatureClient adds its own context to that of an evaluation, which wins")
    func context() async throws {
        try await withFlags { flags, _ in
            var flag = FeatureFlag(serve: .variant("off"))
            flag.rules = [
                .init(
                    if: [.attribute("region", in: ["eu"]), .attribute("targetingKey", in: ["user-7"])],
                    serve: .variant("on")
                )
            ]
            try await flags.set("f", to: flag)
            let client = OpenFeatureClient(flags, context: FlagContext("nobody", attributes: ["region": "eu"]))
            #expect(client.value("f", default: false, context: FlagContext("user-7")))
            #expect(!client.value("f", default: true))
            let elsewhere = FlagContext("user-7", attributes: ["region": "us"])
            #expect(!client.value("f", default: true, context: elsewhere))
        }
    }

    @Test("OpenFeatureClient runs its hooks, and evaluates with the context that they add")
    func hooks() async throws {
        struct Hook: EvaluationHook {
            let name: String
            let record: Record<String>

            func before(_ flag: String, context: FlagContext) -> FlagContext {
                record.add("\(name) before \(flag)")
                return FlagContext("user-7")
            }

            func error<Value: Sendable>(_ error: FlagError, details: EvaluationDetails<Value>, context: FlagContext) {
                record.add("\(name) \(error.code)")
            }

            func finally<Value: Sendable>(_ details: EvaluationDetails<Value>, context: FlagContext) {
                record.add("\(name) \(details.reason) for \(context.targetingKey ?? "nobody")")
            }
        }
        try await withFlags { flags, _ in
            try await flags.enable("on")
            let record = Record<String>()
            let hooks = [Hook(name: "a", record: record), Hook(name: "b", record: record)]
            let client = OpenFeatureClient(flags, hooks: hooks)
            #expect(client.value("on", default: false))
            #expect(record.all == ["a before on", "b before on", "b STATIC for user-7", "a STATIC for user-7"])
            _ = client.value("missing", default: false)
            #expect(
                record.all.suffix(4) == [
                    "b FLAG_NOT_FOUND", "b ERROR for user-7", "a FLAG_NOT_FOUND", "a ERROR for user-7",
                ]
            )
        }
    }

    @Test("OpenFeatureClient.run reports changes of flags, and the loss of etcd")
    func events() async throws {
        try await withFlags { flags, cluster in
            let client = OpenFeatureClient(flags)
            #expect(client.status == .ready)
            let events = Record<ProviderEvent>()
            let running = Task { await client.run(onEvent: { events.add($0) }) }
            try await eventually { events.all.first == .statusChanged(.ready) }
            try await Task.sleep(for: .milliseconds(100))
            try await flags.enable("new-ui")
            try await eventually { events.all.contains(.configurationChanged(flags: ["new-ui"])) }
            await cluster.members[0].kill()
            try await eventually { events.all.last == .statusChanged(.stale) }
            #expect(client.details("new-ui", default: false).reason == "STALE")
            #expect(client.value("new-ui", default: false))
            running.cancel()
            await running.value
        }
    }

    @Test("OpenFeatureClient is not ready, and gives defaults, before etcd was reached")
    func notReady() async throws {
        try await withEtcdClient(endpoints: "127.0.0.1:1") { client in
            let flags = try await FeatureFlags("flags", client: client, initialWait: .zero)
            let client = OpenFeatureClient(flags)
            #expect(client.status == .notReady)
            let details = client.details("f", default: true)
            #expect(details.value)
            #expect(details.errorCode == "PROVIDER_NOT_READY")
            await flags.close()
        }
    }
}
