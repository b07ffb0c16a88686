// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct RouteTests {
    @Test func `Every route answers with its content type, and with the headers about caching and sniffing`() async {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("change", role: .admin)]
        options.allowBenchmark = true
        let api = MonitorAPI.over(FakeCluster(), alerts: FakeAlerts(), options: options)
        for route in Route.all {
            let response = await api.respond(to: route.sample("Bearer change"))
            #expect(response.status == route.success, "\(route.path)")
            let type =
                switch route.path {
                case "/": "text/html; charset=utf-8"
                case "/healthz", "/readyz": "text/plain; charset=utf-8"
                case "/metrics": "text/plain; version=0.0.4; charset=utf-8"
                case "/api/v1/events": "text/event-stream"
                case _ where route.success == 204: nil as String?
                default: "application/json"
                }
            #expect(response.headers["Content-Type"] == type, "\(route.path)")
            #expect(response.headers["X-Content-Type-Options"] == "nosniff", "\(route.path)")
            #expect(response.headers.values(of: "Cache-Control").count == 1, "\(route.path)")
        }
    }

    @Test func `A HEAD request is answered as a GET`() async {
        let api = MonitorAPI.over(FakeCluster())
        for path in ["/health", "/metrics", "/api/v1/findings"] {
            let head = await api.text(HTTPRequest("HEAD", path))
            let get = await api.text(HTTPRequest("GET", path))
            #expect(head.status == get.status && head.headers == get.headers && head.body == get.body)
        }
        // A HEAD request gets no stream.
        #expect(await api.text(HTTPRequest("HEAD", "/api/v1/events")).body == "")
    }

    @Test func `An unknown path and an unsupported method are answered with problems`() async throws {
        let api = MonitorAPI.over(FakeCluster())
        let lost = await api.text(HTTPRequest("GET", "/api/v1/a b"))
        #expect(lost.status == 404)
        #expect(lost.headers["Content-Type"] == "application/problem+json")
        let problem = try await api.object("/api/v1/a b")
        #expect(problem["type"] as? String == "urn:etcd-monitor:problem:not-found")
        #expect(problem["status"] as? Int == 404)
        #expect(problem["instance"] as? String == "/api/v1/a%20b")
        #expect(problem["title"] as? String == "Unknown path")
        #expect((problem["detail"] as? String)?.contains("/api/v1/a b") == true)
        for method in ["POST", "DELETE", "get", "TRACE"] {
            let refused = await api.text(HTTPRequest(method, "/health"))
            #expect(refused.status == 405)
            #expect(refused.headers["Allow"] == "GET, HEAD, OPTIONS")
        }
        let options = await api.text(HTTPRequest("OPTIONS", "/health"))
        #expect(options.status == 204 && options.headers["Allow"] == "GET, HEAD, OPTIONS")
    }

    @Test func `The problem about an unknown parameter names it`() async throws {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("change", role: .admin)]
        options.allowBenchmark = true
        let api = MonitorAPI.over(FakeCluster(), alerts: FakeAlerts(), options: options)
        for route in Route.all {
            var request = route.sample("Bearer change")
            request.query = ["wat": "1"]
            let problem = try await api.object(request)
            #expect(problem["type"] as? String == "urn:etcd-monitor:problem:unknown-parameter", "\(route.path)")
            #expect((problem["detail"] as? String)?.hasPrefix("wat: ") == true)
        }
        for (path, name) in [("/health", "strict"), ("/healthz", "verbose"), ("/readyz", "verbose")] {
            let headers: HTTPHeaders = ["Authorization": "Bearer change"]
            #expect(await api.text(HTTPRequest("GET", path, query: [name: "maybe"], headers: headers)).status == 400)
            #expect(await api.text(HTTPRequest("GET", path, query: [name: "false"], headers: headers)).status == 200)
        }
    }

    @Test func `A parameter names one of several clusters, and the first is the default`() async throws {
        let api = MonitorAPI.over(
            FakeCluster(),
            FakeCluster(name: "other", snapshot: .sample("other"), historyMetrics: ["keys"])
        )
        for route in Route.all where route.parameters.contains("cluster") && route.path.hasPrefix("/api/") {
            if route.path.hasPrefix("/api/v1/performance") { continue }
            if ["/api/v1/events", "/api/v1/metrics/history"].contains(route.path) { continue }
            if route.path.hasPrefix("/api/v1/alerts") { continue }
            #expect(try await api.object(route.path)["cluster"] as? String == "main", "\(route.path)")
            let other = try await api.object(route.path, ["cluster": "other"])
            #expect(other["cluster"] as? String == "other", "\(route.path)")
            #expect(
                await api.text(HTTPRequest("GET", route.path, query: ["cluster": ""])).status == 404,
                "\(route.path)"
            )
        }
        let list = try await api.object("/api/v1/clusters")["clusters"] as? [[String: Any]]
        #expect(list?.compactMap { $0["name"] as? String } == ["main", "other"])
        #expect(list?.first?["findings"] as? [String: Int] == ["degraded": 1])
        #expect(await api.text(HTTPRequest("GET", "/metrics")).body.contains("etcd_cluster=\"other\""))
        #expect(
            !(await api.text(HTTPRequest("GET", "/metrics", query: ["cluster": "main"])).body.contains(
                "cluster=\"other\""
            ))
        )
        let nothing = await MonitorAPI.over().text(HTTPRequest("GET", "/api/v1/cluster/status"))
        #expect(nothing.status == 404 && nothing.body.contains("unknown-cluster"))
    }

    @Test func `The answers have the snapshot's facts, in JSON with dates to the millisecond`() async throws {
        let api = MonitorAPI.over(FakeCluster())
        let status = await api.text(HTTPRequest("GET", "/api/v1/cluster/status"))
        #expect(status.body.contains(#""time":"2023-11-14T22:13:20.250Z""#))
        #expect(status.body.hasPrefix(#"{"cluster":"main","clusterID":"#))
        #expect(status.body.contains(#""faultTolerance":1"#))
        let members = try await api.object("/api/v1/cluster/members")
        #expect((members["members"] as? [Any])?.count == 3 && (members["links"] as? [Any])?.count == 3)
        let leader = try await api.object("/api/v1/cluster/leader")
        #expect((leader["leader"] as? [String: Any])?["name"] as? String == "etcd-1")
        #expect((leader["history"] as? [Any])?.count == 1)
        let finding = (try await api.object("/api/v1/findings")["findings"] as? [[String: Any]])?.first
        #expect(finding?["id"] as? [String: String] == ["code": "slow-fsync", "subject": "1"])
        #expect(finding?["advice"] as? String == MonitorSnapshot.sample().findings.first?.advice)
        let current = try await api.object("/api/v1/metrics/current")
        #expect((current["metrics"] as? [String: Double])?["puts_per_second"] == 12.5)
        let latency = try await api.object("/api/v1/metrics/latency")["latency"] as? [[String: Any]]
        #expect(latency?.first?["p95Seconds"] as? Double == 0.002)
        #expect(
            try await api.object("/api/v1/metrics/names")["names"] as? [String] == ["database_bytes", "member/1/keys"]
        )
        let readiness = try await api.object("/api/v1/cluster/readiness")
        #expect((readiness["checks"] as? [Any])?.count == 18)
    }

    @Test func `A field without a value is left out, and a figure that is not a number does not prevent the answer`()
        async throws
    {
        var cluster = FakeCluster()
        cluster.snapshot.leader = nil
        cluster.snapshot.metrics = [.keys: .nan]
        let api = MonitorAPI.over(cluster)
        #expect(try await api.object("/api/v1/cluster/leader")["leader"] == nil)
        #expect((try await api.object("/api/v1/metrics/current")["metrics"] as? [String: String]) == ["keys": "NaN"])
    }

    @Test func `A snapshot is decoded from its JSON without a change`() throws {
        let decoder = JSONDecoder()
        decoder.dateDecodingStrategy = .custom { decoder in
            try Date(
                try decoder.singleValueContainer().decode(String.self),
                strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true)
            )
        }
        let snapshot = MonitorSnapshot.sample()
        #expect(try decoder.decode(MonitorSnapshot.self, from: Data(JSONBody.bytes(of: snapshot))) == snapshot)
    }
}
