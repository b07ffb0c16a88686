// SPDX-License-Identifier: Apache-2.0

/// The monitor's HTTP API, as a function from requests to responses for any HTTP server.
///
/// `Docs/openapi.yaml` describes the routes, their parameters and their answers. Errors are problem details (RFC 9457).
///
/// The API reads what the monitors have already observed. Only a request for a benchmark causes requests to a cluster,
/// and benchmarks must be allowed.
///
/// A request that changes something always needs a token with the role `admin`, even if reading needs none. Otherwise a
/// page of another site in an administrator's browser could send it.
public struct MonitorAPI: Sendable {
    /// Access to the API, and a hook for each request.
    public struct Options: Sendable {
        /// The tokens that grant access.
        ///
        /// Without any, every client can read the API, and no client can change anything.
        ///
        /// The page itself, `/healthz` and `/readyz` need no token: they reveal nothing about a cluster.
        public var tokens: [APIToken] = []
        /// The origins, such as `https://ops.example.com`, whose pages may read the API; `*` for all.
        public var corsOrigins: [String] = []
        /// Whether a token with the role `admin` may start benchmarks, which create load on a cluster.
        ///
        /// They are limited, run one at a time, and need a running ``ClusterMonitor``.
        public var allowBenchmark = false
        /// Called after each request, before its body is sent.
        public var onRequest: (@Sendable (RequestRecord) -> Void)?

        /// Makes options of an API that every client can read, but no page of another origin.
        public init() {}
    }

    /// An answered request, for logs and metrics; it contains no secret.
    public struct RequestRecord: Sendable, Hashable {
        /// The method.
        public var method: String
        /// The path without the query.
        public var path: String
        /// The status of the response.
        public var status: Int
        /// The time until the head of the response was ready, in seconds.
        public var seconds: Double
        /// The role of the token; nil without a valid one.
        public var role: APIToken.Role?
        /// The name of the token; nil without a valid one.
        public var actor: String?
    }

    let clusters: [any MonitoredCluster]
    let alerts: (any AlertSource)?
    let options: Options
    /// The time without an event after which an event stream sends a heartbeat.
    var heartbeat = Duration.seconds(15)

    init(of clusters: [any MonitoredCluster], alerts: (any AlertSource)? = nil, _ options: Options) {
        self.clusters = clusters
        self.alerts = alerts
        self.options = options
    }

    /// Answers a request.
    ///
    /// A `HEAD` request is answered like `GET`; the server leaves out the body.
    ///
    /// - Parameter request: The request, with a decoded path and query.
    /// - Returns: The response; that of `/api/v1/events` has an endless body.
    public func respond(to request: HTTPRequest) async -> HTTPResponse {
        let start = ContinuousClock.now
        let token = token(of: request)
        var response: HTTPResponse
        do {
            response = try await answer(request, token)
        } catch {
            response = error.response(to: request.path)
        }
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.headers["Cache-Control"] == nil { response.headers.add("Cache-Control", "no-store") }
        allowOrigin(of: request, in: &response)
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        options.onRequest?(
            RequestRecord(
                method: request.method,
                path: request.path,
                status: response.status,
                seconds: seconds,
                role: token?.role,
                actor: token?.name
            )
        )
        return response
    }

    private func answer(_ request: HTTPRequest, _ token: APIToken?) async throws(Problem) -> HTTPResponse {
        let routes = Route.of(path: request.path)
        if routes.isEmpty { throw Problem(.notFound, "\(request.path) is not a path of the API") }
        let allow = Route.allow(routes)
        if request.method == "OPTIONS" { return HTTPResponse(204, headers: ["Allow": allow]) }
        let method = request.method == "HEAD" ? "GET" : request.method
        guard let route = routes.first(where: { $0.method == method }) else {
            throw Problem(.methodNotAllowed, "\(request.path) takes \(allow)", headers: ["Allow": allow])
        }
        try await checkRole(of: token, for: route, request)
        if let name = request.query.keys.sorted().first(where: { !route.parameters.contains($0) }) {
            let known = route.parameters.sorted().joined(separator: ", ")
            let detail = known.isEmpty ? "this path has no parameters" : "the parameters are \(known)"
            throw Problem(.unknownParameter, "\(name): \(detail)")
        }
        return try await route.answer(self)(request)
    }

    /// The cluster that a request names, or the first one.
    func cluster(_ request: HTTPRequest) throws(Problem) -> any MonitoredCluster {
        guard let cluster = try chosen(request).first else {
            throw Problem(.unknownCluster, "no cluster is monitored")
        }
        return cluster
    }

    /// The cluster that a request names, or all of them.
    func chosen(_ request: HTTPRequest) throws(Problem) -> [any MonitoredCluster] {
        guard let name = request.query["cluster"] else { return clusters }
        guard let cluster = clusters.first(where: { $0.name == name }) else {
            throw Problem(.unknownCluster, "\(name): must be one of \(clusters.map(\.name).joined(separator: ", "))")
        }
        return [cluster]
    }

    // MARK: Access

    /// The valid token of a request; nil if there is none.
    func token(of request: HTTPRequest) -> APIToken? {
        guard let field = request.headers["Authorization"] else { return nil }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return APIToken.holding(parts[1], among: options.tokens)
    }

    /// Whether changes are possible, because there is an admin token.
    var takesChanges: Bool { options.tokens.contains { $0.role == .admin } }

    private func checkRole(of token: APIToken?, for route: Route, _ request: HTTPRequest) async throws(Problem) {
        guard let needed = route.role, token.map({ $0.role < needed }) ?? true else { return }
        if needed == .read && options.tokens.isEmpty { return }
        let problem = refusal(of: token, needed, hasField: request.headers["Authorization"] != nil)
        // Requests without a valid token leave no record: a flood of them would displace the other records.
        if let token, route.method != "GET" { await record(problem, request, token) }
        throw problem
    }

    private func refusal(of token: APIToken?, _ needed: APIToken.Role, hasField: Bool) -> Problem {
        if needed == .admin && !takesChanges {
            let remedy = "set it in options.tokens of a service, or with --api-admin-token-file of the program"
            return Problem(.noAdminToken, "changes need a token with the role admin: \(remedy)")
        }
        if let token {
            return Problem(.forbidden, "it needs the role \(needed.rawValue), but the token has \(token.role.rawValue)")
        }
        let challenge = "Bearer realm=\"etcd-monitor\"" + (hasField ? ", error=\"invalid_token\"" : "")
        return Problem(
            .unauthorized,
            hasField ? "the token is not valid" : "the request has no field Authorization: Bearer",
            headers: ["WWW-Authenticate": challenge]
        )
    }

    /// Records an attempt to change something without the right.
    ///
    /// Repeated attempts in a row leave one record.
    private func record(_ problem: Problem, _ request: HTTPRequest, _ token: APIToken) async {
        let last = alerts?.auditRecords.first
        if last?.action == "refused" && last?.actor == token.name { return }
        let path = String(Problem.escaped(request.path).prefix(200))
        let detail = "\(request.method) \(path): \(problem.detail)"
        await alerts?.record(AuditRecord(actor: token.name, action: "refused", subject: path, detail: detail))
    }

    private func allowOrigin(of request: HTTPRequest, in response: inout HTTPResponse) {
        if options.corsOrigins.isEmpty { return }
        let isForAll = options.corsOrigins.contains("*")
        // Caches must not return the answer for one origin to another.
        if !isForAll { response.headers.add("Vary", "Origin") }
        guard let origin = request.headers["Origin"], isForAll || options.corsOrigins.contains(origin) else { return }
        response.headers.add("Access-Control-Allow-Origin", isForAll ? "*" : origin)
        if request.method == "OPTIONS", request.headers["Access-Control-Request-Method"] != nil {
            response.headers.add("Access-Control-Allow-Methods", response.headers["Allow"] ?? "")
            response.headers.add("Access-Control-Allow-Headers", "Authorization, Content-Type, Last-Event-ID")
            response.headers.add("Access-Control-Max-Age", "600")
        }
    }
}
