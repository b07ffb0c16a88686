// SPDX-License-Identifier: Apache-2.0

/// One thing that the API can be asked: the one list of them decides what is served, refused and described.
struct Route: Sendable {
    let method: String
    let path: String
    /// The role that it takes; nil if it is open to everyone even where tokens are set.
    let role: APIToken.Role?
    /// The parameters that its query may have.
    let parameters: Set<String>
    let answer: @Sendable (MonitorAPI) -> (HTTPRequest) async throws(Problem) -> HTTPResponse

    init(
        _ method: String,
        _ path: String,
        _ role: APIToken.Role?,
        _ parameters: Set<String>,
        _ answer: @escaping @Sendable (MonitorAPI) -> (HTTPRequest) async throws(Problem) -> HTTPResponse
    ) {
        self.method = method
        self.path = path
        self.role = role
        self.parameters = parameters
        self.answer = answer
    }

    static let all: [Route] = [
        Route("GET", "/", nil, [], MonitorAPI.page),
        Route("GET", "/health", .read, ["cluster", "strict"], MonitorAPI.health),
        Route("GET", "/healthz", nil, ["verbose"], MonitorAPI.alive),
        Route("GET", "/readyz", nil, ["verbose"], MonitorAPI.ready),
        Route("GET", "/metrics", .read, ["cluster"], MonitorAPI.metrics),
        Route("GET", "/api/v1/clusters", .read, [], MonitorAPI.clusterList),
        Route("GET", "/api/v1/cluster/status", .read, ["cluster"], MonitorAPI.status),
        Route("GET", "/api/v1/cluster/members", .read, ["cluster"], MonitorAPI.members),
        Route("GET", "/api/v1/cluster/leader", .read, ["cluster"], MonitorAPI.leader),
        Route("GET", "/api/v1/cluster/readiness", .read, ["cluster"], MonitorAPI.readiness),
        Route("GET", "/api/v1/metrics/current", .read, ["cluster"], MonitorAPI.currentMetrics),
        Route("GET", "/api/v1/metrics/latency", .read, ["cluster"], MonitorAPI.latency),
        Route("GET", "/api/v1/metrics/names", .read, ["cluster"], MonitorAPI.metricNames),
        Route(
            "GET",
            "/api/v1/metrics/history",
            .read,
            ["cluster", "metric", "from", "to", "step"],
            MonitorAPI.history
        ),
        Route("GET", "/api/v1/findings", .read, ["cluster"], MonitorAPI.findings),
        Route("GET", "/api/v1/events", .read, ["cluster"], MonitorAPI.events),
    ]

    /// The routes of a path.
    static func of(path: String) -> [Route] { all.filter { $0.path == path } }

    /// The methods that a path takes, as the field `Allow` has them.
    static func allow(_ routes: [Route]) -> String {
        let methods = routes.map(\.method)
        return (methods + (methods.contains("GET") ? ["HEAD"] : []) + ["OPTIONS"]).joined(separator: ", ")
    }
}
