// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("MonitorAPI: benchmarks", .cluster, .timeLimit(.minutes(1)))
struct BenchmarkRouteTests {
    private let alerts = FakeAlerts(.init())
    private static let path = "/api/v1/performance/benchmark"

    private static func options(isAllowed: Bool = true) -> MonitorAPI.Options {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("a", role: .admin, name: "anna"), APIToken("r")]
        options.allowBenchmark = isAllowed
        return options
    }

    private func api(_ clusters: [FakeCluster] = [FakeCluster()], isAllowed: Bool = true) -> MonitorAPI {
        MonitorAPI(of: clusters, alerts: alerts, Self.options(isAllowed: isAllowed))
    }

    private static func request(
        _ method: String,
        _ path: String = path,
        query: [String: String] = [:],
        body: [String: Any]? = nil,
        token: String = "a"
    ) throws -> HTTPRequest {
        var request = HTTPRequest(method, path, query: query, headers: ["Authorization": "Bearer \(token)"])
        if let body {
            request.headers["Content-Type"] = "application/json"
            request.body = Array(try JSONSerialization.data(withJSONObject: body))
        }
        return request
    }

    @Test("a benchmark is started only where it is allowed, and by administrators")
    func access() async throws {
        let body = ["type": "read"]
        let off = await api(isAllowed: false).text(try Self.request("POST", body: body))
        #expect(off.status == 403 && off.body.contains("problem:benchmark-not-allowed"))
        #expect(off.body.contains("--allow-benchmark"))
        let reader = await api().text(try Self.request("POST", body: body, token: "r"))
        #expect(reader.status == 403 && reader.body.contains("problem:forbidden"))
        var open = Self.options()
        open.tokens = []
        let nobody = await MonitorAPI(of: [FakeCluster()], open).text(try Self.request("POST", body: body))
        #expect(nobody.status == 403 && nobody.body.contains("problem:no-admin-token"))
        #expect(alerts.auditRecords.map(\.action) == ["refused"])
        #expect(!MonitorAPI.Options().allowBenchmark)
    }

    @Test("a started benchmark has an address, and is recorded under the token's name")
    func start() async throws {
        let fake = FakeBenchmarks([])
        let other = FakeCluster(name: "other", benchmarks: fake)
        let api = api([FakeCluster(benchmarks: FakeBenchmarks([])), other])
        let body: [String: Any] = ["type": "mixed", "duration": "10s", "rate": 100, "clients": 3, "keyOrder": "random"]
        let answer = await api.text(try Self.request("POST", query: ["cluster": "other"], body: body))
        #expect(answer.status == 202, "\(answer.body)")
        let run = try #require(fake.runs.first)
        #expect(answer.headers["Location"] == "\(Self.path)/\(run.id)")
        #expect(answer.body.contains(#""state":"running""#) && answer.body.contains(#""createdBy":"anna""#))
        #expect(run.options.kind == .mixed && run.options.amount == .duration(.seconds(10)) && run.options.rate == 100)
        #expect(run.options.callers == 3 && run.options.keyOrder == .random && run.options.prefix == nil)
        #expect(alerts.auditRecords.map(\.action) == ["benchmark.start"])
        #expect(alerts.auditRecords.first?.actor == "anna" && alerts.auditRecords.first?.subject == run.id)
        #expect(alerts.auditRecords.first?.detail == "measures mixed on other: 10 s")
        let list = try await api.object(try Self.request("GET", token: "r"))["benchmarks"] as? [[String: Any]]
        #expect(list?.map { $0["id"] as? String } == [run.id] && list?.first?["result"] == nil)
        let unknown = await api.text(try Self.request("POST", query: ["cluster": "x"], body: body))
        #expect(unknown.status == 404)
    }

    @Test("a running benchmark prevents another one on any cluster, and can be stopped")
    func busy() async throws {
        var running = BenchmarkRuns.Run.sample
        (running.state, running.result, running.endedAt) = (.running, nil, nil)
        running.progress = BenchmarkProgress(phase: .running, operations: 5, elapsed: .seconds(1), rate: 5)
        let api = api([FakeCluster(), FakeCluster(name: "other", benchmarks: FakeBenchmarks([running]))])
        let refused = await api.text(try Self.request("POST", body: ["type": "read"]))
        #expect(refused.status == 409 && refused.body.contains("the benchmark \(running.id) of other is running"))
        let path = "\(Self.path)/\(running.id)"
        let other = MonitorAPI(of: [api.clusters[1]], alerts: alerts, Self.options())
        let state = try await other.object(try Self.request("GET", path, token: "r"))
        #expect((state["progress"] as? [String: Any])?["operationsPerSecond"] as? Double == 5)
        for _ in 0..<2 { #expect(try await other.text(Self.request("DELETE", path)).status == 204) }
        #expect(alerts.auditRecords.map(\.action) == ["benchmark.cancel"])
        #expect(try await other.object(try Self.request("GET", path))["state"] as? String == "cancelled")
        let lost = await other.text(try Self.request("DELETE", "\(Self.path)/none"))
        #expect(lost.status == 404 && lost.body.contains("problem:unknown-benchmark"))
    }

    /// Benchmarks of which a list takes long, so that another request comes meanwhile.
    private struct SlowBenchmarks: BenchmarkSource {
        private let state = Lock<[BenchmarkRuns.Run]>([])

        var runs: [BenchmarkRuns.Run] {
            let runs = state.withLock { $0 }
            usleep(20_000)
            return runs
        }

        func start(_ options: BenchmarkOptions, by actor: String) throws(BenchmarkRuns.Refusal) -> BenchmarkRuns.Run {
            let run = BenchmarkRuns.Run(options: options, actor: actor)
            state.withLock { $0 = [run] }
            return run
        }

        func cancel(_ id: String) -> Bool { false }
    }

    @Test("of two benchmarks that are requested at the same time, one starts, also on different clusters")
    func together() async throws {
        let requests = try ["a", "b"].map { try Self.request("POST", query: ["cluster": $0], body: ["type": "read"]) }
        for _ in 0..<5 {
            let api = api(["a", "b"].map { FakeCluster(name: $0, benchmarks: SlowBenchmarks()) })
            async let first = api.respond(to: requests[0]).status
            async let second = api.respond(to: requests[1]).status
            #expect(await [first, second].sorted() == [202, 409])
        }
    }

    @Test("a body that asks for too much, or for something unknown, is refused with the place")
    func bodies() async throws {
        let cases: [([String: Any], String)] = [
            ([:], "type: missing"), (["type": "x"], "type: must be one of write, read,"),
            (["type": "read", "wat": 1], "wat: unknown field"),
            (["type": "read", "prefix": "x"], "prefix: unknown field"),
            (["type": "read", "operations": 100_001], "operations: must be a whole number from 1 to 100000"),
            (["type": "read", "operations": 0], "operations: must be a whole"),
            (["type": "read", "operations": 1.5], "operations: must be a whole"),
            (["type": "read", "operations": 1e300], "operations: must be a whole"),
            (["type": "read", "operations": "1"], "operations: must be a number"),
            (["type": "read", "duration": "61s"], "duration: must be a time such as 10s, at most 1m"),
            (["type": "read", "duration": "10"], "duration: must be a time"),
            (["type": "read", "duration": "1s", "operations": 1], "operations, duration: at most one"),
            (["type": "write", "duration": "1s"], "rate: missing"),
            (["type": "write", "duration": "60s", "rate": 10_000], "rate, duration: more than 100000"),
            (["type": "read", "rate": 0], "rate: must be a number of"),
            (["type": "read", "clients": 257], "clients: must be a whole number from 1 to 256"),
            (["type": "watches", "clients": 10_001], "clients: must be a whole number from 1 to 10000"),
            (["type": "read", "connections": 17], "connections: must be a"),
            (["type": "read", "keySize": 1025], "keySize: must be a"),
            (["type": "read", "valueSize": 65_537], "valueSize: must be a"),
            (["type": "read", "keyCount": 100_001], "keyCount: must be a"),
            (["type": "read", "keyOrder": "up"], "keyOrder: must be one of sequential, random"),
            (["type": "mixed", "readRatio": 1.1], "readRatio: must be a number from 0 to 1"),
            (["type": "range", "rangeLimit": 1001], "rangeLimit: must be a"),
            (["type": "read", "serializable": 1], "serializable: must be true or false"),
            (["type": "read", "seed": -1], "seed: must be a"),
            (
                ["type": "write", "operations": 100_000, "valueSize": 65_536],
                "valueSize: the benchmark would write more"
            ),
            (["type": "read", "keyCount": 100_000, "valueSize": 65_536], "valueSize: the benchmark would write more"),
            (["type": "watch", "clients": 256], "valueSize: the benchmark would write and deliver more than 256 MiB"),
            (
                ["type": "range", "rangeLimit": 1000, "valueSize": 65_536],
                "rangeLimit, valueSize: an answer would have more than 1 MiB"
            ),
            (
                ["type": "range", "rangeLimit": 1000, "valueSize": 1000, "clients": 256],
                "clients, rangeLimit, valueSize: all answers would have more than 64 MiB"
            ),
            (["type": "read", "keyCount": 1000, "keySize": 2], "1000 keys need 3 bytes"),
        ]
        let fake = FakeBenchmarks([])
        let api = api([FakeCluster(benchmarks: fake)])
        for (body, expected) in cases {
            let answer = await api.text(try Self.request("POST", body: body))
            #expect(answer.status == 400 && answer.body.contains(expected), "\(body): \(answer.body)")
        }
        var form = try Self.request("POST", body: ["type": "read"])
        form.headers["Content-Type"] = "text/plain"
        #expect(await api.text(form).status == 415)
        #expect(fake.runs.isEmpty && alerts.auditRecords.isEmpty)
        for body: [String: Any] in [
            ["type": "watches", "clients": 10_000], ["type": "read", "duration": "1m"],
            ["type": "write", "valueSize": 65_536, "operations": 4000], ["type": "leases", "duration": "5s"],
            ["type": "read", "valueSize": 65_536, "clients": 256], ["type": "watch"],
            ["type": "range", "rangeLimit": 1000], ["type": "range", "keyCount": 10, "valueSize": 65_536],
        ] {
            let answer = await api.text(try Self.request("POST", body: body))
            #expect(answer.status == 202, "\(answer.body)")
        }
    }

    @Test("a monitor runs a benchmark on its cluster, and stops it at its own end")
    func live() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                let monitor = try ClusterMonitor(client)
                let api = MonitorAPI([monitor], Self.options())
                let early = await api.text(try Self.request("POST", body: ["type": "read"]))
                #expect(early.status == 503 && early.body.contains("problem:monitor-not-running"))
                let polling = Task { try await monitor.run() }
                #expect(await eventually { monitor.snapshot.poll > 0 })

                let body: [String: Any] = ["type": "write", "operations": 200, "keyCount": 50]
                let started = try await api.object(try Self.request("POST", body: body))
                let path = "\(Self.path)/\(try #require(started["id"] as? String))"
                func state() async throws -> [String: Any] { try await api.object(try Self.request("GET", path)) }
                #expect(await eventually { (try? await state())?["state"] as? String == "finished" })
                let result = try await state()["result"] as? [String: Any]
                #expect(result?["ops"] as? Int == 200 && result?["complete"] as? Bool == true)

                let long: [String: Any] = ["type": "write", "duration": "50s", "rate": 1000]
                #expect(try await api.text(Self.request("POST", body: long)).status == 202)
                #expect(await eventually { (try? await client.range(.all).count) ?? 0 > 10 }, "control")
                #expect(try await api.text(Self.request("POST", body: long)).status == 409)
                polling.cancel()
                try await polling.value
                // All is deleted by the time that the monitor has ended.
                #expect(try await client.range(.all).count == 0)
                let last = try #require(monitor.benchmarks.runs.first)
                #expect(last.state == .cancelled && last.reason == "the monitor has ended" && last.result != nil)
            }
        }
    }
}
