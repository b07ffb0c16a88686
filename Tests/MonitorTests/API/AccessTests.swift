// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdMonitorKit

@Suite struct AccessTests {
    private var guarded: MonitorAPI.Options {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("look"), APIToken("change", role: .admin), APIToken("")]
        return options
    }

    private func status(_ api: MonitorAPI, _ route: Route, _ authorization: String?) async -> Int {
        let query = route.parameters.contains("metric") ? ["metric": "database_bytes"] : [:]
        var request = HTTPRequest(route.method, route.path, query: query)
        request.headers["Authorization"] = authorization
        return await api.respond(to: request).status
    }

    @Test func `Without tokens the API is open`() async {
        for route in Route.all { #expect(await status(.over(FakeCluster()), route, nil) == 200, "\(route.path)") }
    }

    @Test func `With tokens all but the page and the probes of the process need one`() async {
        let api = MonitorAPI.over(FakeCluster(), options: guarded)
        for route in Route.all {
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
            for authorization in ["Bearer look", "bearer change"] {
                #expect(await status(api, route, authorization) == 200, "\(route.path)")
            }
        }
    }

    @Test func `A refusal says how to do better, and a path that is not there says no more than that`() async {
        let api = MonitorAPI.over(FakeCluster(), options: guarded)
        let missing = await api.text(HTTPRequest("GET", "/health"))
        #expect(missing.headers["WWW-Authenticate"] == #"Bearer realm="etcd-monitor""#)
        #expect(missing.headers["Content-Type"] == "application/problem+json")
        let wrong = await api.text(HTTPRequest("GET", "/health", headers: ["Authorization": "Bearer no"]))
        #expect(wrong.headers["WWW-Authenticate"] == #"Bearer realm="etcd-monitor", error="invalid_token""#)
        #expect(!wrong.body.contains("Bearer no"))
        #expect(await api.text(HTTPRequest("GET", "/nothing")).status == 404)
    }

    @Test func `A route for admins refuses a token that may only read`() {
        let api = MonitorAPI.over(options: guarded)
        let route = Route("POST", "/x", .admin, [], MonitorAPI.status)
        #expect(throws: Never.self) { try api.checkRole(.admin, for: route, HTTPRequest("GET", "/x")) }
        let problem = #expect(throws: Problem.self) { try api.checkRole(.read, for: route, HTTPRequest("GET", "/x")) }
        #expect(problem?.status == 403)
    }

    @Test func `Of two tokens with one secret the larger role counts, and none shows its secret`() {
        let tokens = [APIToken("s", role: .admin), APIToken("s")]
        #expect(APIToken.role(of: "s", among: tokens) == .admin)
        #expect(APIToken.role(of: "s", among: tokens.reversed()) == .admin)
        #expect(APIToken.role(of: "", among: [APIToken("")]) == nil)
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

    @Test func `A preflight is answered without a token`() async {
        var options = guarded
        options.corsOrigins = ["https://a.example"]
        let api = MonitorAPI.over(FakeCluster(), options: options)
        let headers: HTTPHeaders = ["Origin": "https://a.example", "Access-Control-Request-Method": "GET"]
        let response = await api.respond(to: HTTPRequest("OPTIONS", "/api/v1/events", headers: headers))
        #expect(response.status == 204)
        #expect(response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, OPTIONS")
        #expect(response.headers["Access-Control-Allow-Headers"] == "Authorization, Content-Type, Last-Event-ID")
        let stranger: HTTPHeaders = ["Origin": "https://c.example", "Access-Control-Request-Method": "GET"]
        let refused = await api.respond(to: HTTPRequest("OPTIONS", "/api/v1/events", headers: stranger))
        #expect(refused.headers["Access-Control-Allow-Methods"] == nil)
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
        #expect(records.map { "\($0.method) \($0.path)" } == ["GET /health", "PUT /x"])
        #expect(
            records.allSatisfy { $0.seconds >= 0 } && !"\(records)".contains("change") && !"\(records)".contains("look")
        )
    }
}
