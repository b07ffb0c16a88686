// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct AccessTests {
    private var guarded: MonitorAPI.Options {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("look"), APIToken("change", role: .admin), APIToken("")]
        options.allowBenchmark = true
        return options
    }

    private func status(_ api: MonitorAPI, _ route: Route, _ authorization: String?) async -> Int {
        await api.respond(to: route.sample(authorization)).status
    }

    @Test func `Without tokens, the API allows reads and no changes`() async {
        let alerts = FakeAlerts()
        let api = MonitorAPI.over(FakeCluster(), alerts: alerts)
        for route in Route.all {
            #expect(await status(api, route, nil) == (route.role == .admin ? 403 : 200), "\(route.path)")
        }
        #expect(alerts.silences == [.sample] && alerts.auditRecords.count == 1)
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("look")]
        let problem = await MonitorAPI.over(alerts: alerts, options: options).text(
            HTTPRequest("POST", "/api/v1/silences", headers: ["Authorization": "Bearer look"])
        )
        #expect(problem.status == 403 && problem.body.contains("urn:etcd-monitor:problem:no-admin-token"))
        #expect(problem.body.contains("--api-admin-token-file"))
    }

    @Test func `With tokens all but the page and the probes of the process need one`() async {
        for route in Route.all {
            let api = MonitorAPI.over(FakeCluster(), alerts: FakeAlerts(), options: guarded)
            let isOpen = ["/", "/healthz", "/readyz"].contains(route.path)
            let wrong = [
                nil, "Bearer", "Bearer ", "Bearer loo", "Bearer look2", "Bearer LOOK", "Basic look", "look", "",
            ]
            for authorization in wrong {
                #expect(
                    await status(api, route, authorization) == (isOpen ? 200 : 401),
                    "\(route.path) \(authorization ?? "")"
                )
            }
            let isChange = route.method != "GET" || route.path == "/api/v1/audit"
            #expect(await status(api, route, "Bearer look") == (isChange ? 403 : 200), "\(route.path)")
            #expect(await status(api, route, "bearer change") == route.success, "\(route.path)")
        }
    }

    @Test func `Refused changes are recorded under the token's name, once for repetitions`() async {
        let alerts = FakeAlerts(.init())
        var options = guarded
        options.tokens.append(APIToken("peek", name: "grafana"))
        let api = MonitorAPI.over(FakeCluster(), alerts: alerts, options: options)
        for route in Route.all where route.role == .admin {
            for authorization in ["Bearer peek", "Bearer peek", "Bearer wrong", nil] {
                _ = await api.respond(to: route.sample(authorization))
            }
        }
        _ = await api.respond(
            to: HTTPRequest("DELETE", "/api/v1/silences/a\nb", headers: ["Authorization": "Bearer look"])
        )
        let records = alerts.auditRecords
        #expect(records.map(\.actor) == ["read", "grafana"] && records.allSatisfy { $0.action == "refused" })
        #expect(records.map(\.subject) == ["/api/v1/silences/a%0Ab", "/api/v1/silences"])
        #expect(
            records.first?.detail
                == "DELETE /api/v1/silences/a%0Ab: it needs the role admin, but the token has read"
        )
        #expect(alerts.silences.isEmpty)
    }

    @Test func `A refusal names the way to authenticate, and an unknown path is not found`() async {
        let api = MonitorAPI.over(FakeCluster(), options: guarded)
        let missing = await api.text(HTTPRequest("GET", "/health"))
        #expect(missing.headers["WWW-Authenticate"] == #"Bearer realm="etcd-monitor""#)
        #expect(missing.headers["Content-Type"] == "application/problem+json")
        let wrong = await api.text(HTTPRequest("GET", "/health", headers: ["Authorization": "Bearer no"]))
        #expect(wrong.headers["WWW-Authenticate"] == #"Bearer realm="etcd-monitor", error="invalid_token""#)
        #expect(!wrong.body.contains("Bearer no"))
        #expect(await api.text(HTTPRequest("GET", "/nothing")).status == 404)
    }

    @Test func `Of two tokens with one secret the larger role counts, and none shows its secret`() {
        let tokens = [APIToken("s", role: .admin), APIToken("s")]
        #expect(APIToken.holding("s", among: tokens)?.role == .admin)
        #expect(APIToken.holding("s", among: tokens.reversed())?.role == .admin)
        #expect(APIToken.holding("", among: [APIToken("")]) == nil)
        #expect(tokens.map(\.name) == ["admin", "read"] && APIToken("s", name: "ops").name == "ops")
        #expect("\(APIToken("hunter2"))" == "read token")
    }

    @Test func `Other origins read nothing unless they are listed`() async {
        let request = HTTPRequest("GET", "/health", headers: ["Origin": "https://a.example"])
        let closed = await MonitorAPI.over(FakeCluster()).respond(to: request)
        #expect(closed.headers["Access-Control-Allow-Origin"] == nil && closed.headers["Vary"] == nil)
        var options = MonitorAPI.Options()
        options.corsOrigins = ["https://a.example", "https://b.example"]
        let listed = MonitorAPI.over(FakeCluster(), options: options)
        #expect(await listed.respond(to: request).headers["Access-Control-Allow-Origin"] == "https://a.example")
        let other = await listed.respond(to: HTTPRequest("GET", "/health", headers: ["Origin": "https://c.example"]))
        #expect(other.headers["Access-Control-Allow-Origin"] == nil && other.headers["Vary"] == "Origin")
        options.corsOrigins = ["*"]
        let open = MonitorAPI.over(FakeCluster(), options: options)
        #expect(await open.respond(to: request).headers["Access-Control-Allow-Origin"] == "*")
        // Pages read problems too.
        let lost = await open.respond(to: HTTPRequest("GET", "/nothing", headers: ["Origin": "https://a.example"]))
        #expect(lost.status == 404 && lost.headers["Access-Control-Allow-Origin"] == "*")
    }

    @Test func `A preflight request is answered without a token`() async {
        var options = guarded
        options.corsOrigins = ["https://a.example"]
        let api = MonitorAPI.over(FakeCluster(), options: options)
        let headers: HTTPHeaders = ["Origin": "https://a.example", "Access-Control-Request-Method": "GET"]
        let response = await api.respond(to: HTTPRequest("OPTIONS", "/api/v1/events", headers: headers))
        #expect(response.status == 204)
        #expect(response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS")
        #expect(response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Last-Event-ID")
        for (path, methods) in [
            ("/api/v1/silences", "GET, POST, HEAD, OPTIONS"), ("/api/v1/silences/x", "DELETE, OPTIONS"),
        ] {
            let response = await api.respond(to: HTTPRequest("OPTIONS", path, headers: headers))
            #expect(response.headers["Access-Control-Allow-Methods"] == methods)
        }
        let stranger: HTTPHeaders = ["Origin": "https://c.example", "Access-Control-Request-Method": "GET"]
        for path in ["/api/v1/events", "/api/v1/silences", "/api/v1/silences/x"] {
            let refused = await api.respond(to: HTTPRequest("OPTIONS", path, headers: stranger))
            #expect(refused.headers["Access-Control-Allow-Methods"] == nil)
            #expect(refused.headers["Access-Control-Allow-Origin"] == nil)
        }
    }

    @Test func `The hook sees each request and its role, and no secret`() async {
        let seen = Lock<[MonitorAPI.RequestRecord]>([])
        var options = guarded
        options.onRequest = { record in seen.withLock { $0.append(record) } }
        let api = MonitorAPI.over(FakeCluster(), options: options)
        _ = await api.respond(to: HTTPRequest("GET", "/health", headers: ["Authorization": "Bearer change"]))
        _ = await api.respond(to: HTTPRequest("PUT", "/x", query: ["secret": "look"]))
        let records = seen.withLock { $0 }
        #expect(records.map(\.status) == [200, 404] && records.map(\.role) == [.admin, nil])
        #expect(records.map(\.actor) == ["admin", nil])
        #expect(records.map { "\($0.method) \($0.path)" } == ["GET /health", "PUT /x"])
        #expect(
            records.allSatisfy { $0.seconds >= 0 } && !"\(records)".contains("change") && !"\(records)".contains("look")
        )
    }
}
