// SPDX-License-Identifier: Apache-2.0

/// A route of the API.
///
/// The list of all routes determines what the API serves, refuses and describes.
struct Route: Sendable {
    let method: String
    /// The path; a last part in braces matches any text.
    let path: String
    /// The role it needs: `read` only where tokens are set, `admin` always; nil if it needs none.
    let role: APIToken.Role?
    /// The parameters that its query allows.
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
        Route("GET", "/api/v1/alerts", .read, ["cluster", "state", "severity"], MonitorAPI.alertList),
        Route("GET", "/api/v1/alerts/history", .read, ["cluster", "from", "to", "limit"], MonitorAPI.alertHistory),
        Route("GET", "/api/v1/silences", .read, ["state"], MonitorAPI.silenceList),
        Route("POST", "/api/v1/silences", .admin, [], MonitorAPI.addSilence),
        Route("DELETE", "/api/v1/silences/{id}", .admin, [], MonitorAPI.endSilence),
        Route("GET", "/api/v1/channels", .read, [], MonitorAPI.channelList),
        Route("GET", "/api/v1/performance/benchmark", .read, ["cluster"], MonitorAPI.benchmarkList),
        Route("POST", "/api/v1/performance/benchmark", .admin, ["cluster"], MonitorAPI.startBenchmark),
        Route("GET", "/api/v1/performance/benchmark/{id}", .read, [], MonitorAPI.benchmark),
        Route("DELETE", "/api/v1/performance/benchmark/{id}", .admin, [], MonitorAPI.cancelBenchmark),
        Route("GET", "/api/v1/audit", .admin, [], MonitorAPI.audit),
    ]

    /// The routes of a path.
    static func of(path: String) -> [Route] { all.filter { $0.serves(path) } }

    private func serves(_ path: String) -> Bool {
        guard let brace = self.path.firstIndex(of: "{") else { return self.path == path }
        let start = self.path[..<brace]
        return path.hasPrefix(start) && path == start + Self.parameter(of: path) && path != start
    }

    /// The text that matches the braces in its path.
    static func parameter(of path: String) -> String {
        path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? ""
    }

    /// The methods of a path, as the field `Allow` lists them.
    static func allow(_ routes: [Route]) -> String {
        let methods = routes.map(\.method)
        return (methods + (methods.contains("GET") ? ["HEAD"] : []) + ["OPTIONS"]).joined(separator: ", ")
    }
}
