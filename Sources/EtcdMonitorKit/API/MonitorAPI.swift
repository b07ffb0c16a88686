// SPDX-License-Identifier: Apache-2.0

/// The monitor's HTTP API, as a function from requests to responses: it serves from any HTTP server.
///
/// The routes, their parameters and their answers are in `Docs/openapi.yaml`. Errors are problem details (RFC 9457).
///
/// It looks only at what the monitors have seen already: no request of a client makes one to a cluster, except that for a
/// benchmark, which has to be allowed.
///
/// A request that changes something always takes a token with the role `admin`, also where the API is open otherwise: a
/// page of another site that the browser of an administrator shows could send it, too.
public struct MonitorAPI: Sendable {
    /// Access to the API, and a hook for each request.
    public struct Options: Sendable {
        /// The tokens that open the API; without any, everyone who reaches it can read it, and nobody can change anything.
        ///
        /// The page itself, `/healthz` and `/readyz` are always open: they say nothing of a cluster.
        public var tokens: [APIToken] = []
        /// The origins, such as `https://ops.example.com`, whose pages may read the API; `*` for all.
        public var corsOrigins: [String] = []
        /// Whether a token with the role `admin` can start benchmarks, which make load on a cluster: one at a time, bounded,
        /// and only while the ``ClusterMonitor`` runs.
        public var allowBenchmark = false
        /// Called after each request, before its body is sent.
        public var onRequest: (@Sendable (RequestRecord) -> Void)?

        /// Makes options for an API that everyone who reaches it can read, and no other origin.
        public init() {}
    }

    /// A request that was answered, for logs and figures; it has no secret.
    public struct RequestRecord: Sendable, Hashable {
        /// The method.
        public var method: String
        /// The path without the query.
        public var path: String
        /// The status of the response.
        public var status: Int
        /// How long the head of the response took, in seconds.
        public var seconds: Double
        /// The role of the token; nil without a valid one.
        public var role: APIToken.Role?
        /// The name of the token; nil without a valid one.
        public var actor: String?
    }

    let clusters: [any MonitoredCluster]
    let alerts: (any AlertSource)?
    let options: Options
    /// After how long without an event a stream of them has a sign of life.
    var heartbeat = Duration.seconds(15)

    init(of clusters: [any MonitoredCluster], alerts: (any AlertSource)? = nil, _ options: Options) {
        self.clusters = clusters
        self.alerts = alerts
        self.options = options
    }

    /// Answers a request.
    ///
    /// A request of the method `HEAD` is answered as one of `GET`; the server leaves the body out.
    ///
    /// - Parameter request: The request, with a decoded path and query.
    /// - Returns: The response; that of `/api/v1/events` has a body without an end.
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
        if routes.isEmpty { throw Problem(.notFound, "\(request.path) is none of the API's paths") }
        let allow = Route.allow(routes)
        if request.method == "OPTIONS" { return HTTPResponse(204, headers: ["Allow": allow]) }
        let method = request.method == "HEAD" ? "GET" : request.method
        guard let route = routes.first(where: { $0.method == method }) else {
            throw Problem(.methodNotAllowed, "\(request.path) takes \(allow)", headers: ["Allow": allow])
        }
        try checkRole(of: token, for: route, request)
        if let name = request.query.keys.sorted().first(where: { !route.parameters.contains($0) }) {
            let known = route.parameters.sorted().joined(separator: ", ")
            let detail = known.isEmpty ? "there are none here" : "there are \(known)"
            throw Problem(.unknownParameter, "\(name): \(detail)")
        }
        return try await route.answer(self)(request)
    }

    /// The cluster that a request names, or the first.
    func cluster(_ request: HTTPRequest) throws(Problem) -> any MonitoredCluster {
        guard let cluster = try chosen(request).first else {
            throw Problem(.unknownCluster, "no cluster is monitored")
        }
        return cluster
    }

    /// The cluster that a request names, or all.
    func chosen(_ request: HTTPRequest) throws(Problem) -> [any MonitoredCluster] {
        guard let name = request.query["cluster"] else { return clusters }
        guard let cluster = clusters.first(where: { $0.name == name }) else {
            throw Problem(.unknownCluster, "\(name) is none of \(clusters.map(\.name).joined(separator: ", "))")
        }
        return [cluster]
    }

    // MARK: Access

    /// The token that a request has; nil without a valid one.
    func token(of request: HTTPRequest) -> APIToken? {
        guard let field = request.headers["Authorization"] else { return nil }
        let parts = field.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        return APIToken.holding(parts[1], among: options.tokens)
    }

    /// Changes are possible: there is a token for them.
    var takesChanges: Bool { options.tokens.contains { $0.role == .admin } }

    private func checkRole(of token: APIToken?, for route: Route, _ request: HTTPRequest) throws(Problem) {
        guard let needed = route.role, token.map({ $0.role < needed }) ?? true else { return }
        if needed == .read && options.tokens.isEmpty { return }
        let problem = refusal(of: token, needed, hasField: request.headers["Authorization"] != nil)
        // Requests without a valid token leave no record: a flood of them would push the others out.
        if let token, route.method != "GET" { record(problem, request, token) }
        throw problem
    }

    private func refusal(of token: APIToken?, _ needed: APIToken.Role, hasField: Bool) -> Problem {
        if needed == .admin && !takesChanges {
            let remedy = "a service sets it in options.tokens, the program with --api-admin-token-file"
            return Problem(.noAdminToken, "it always takes a token with the role admin: \(remedy)")
        }
        if let token {
            return Problem(.forbidden, "it takes the role \(needed.rawValue), and the token has \(token.role.rawValue)")
        }
        let challenge = "Bearer realm=\"etcd-monitor\"" + (hasField ? ", error=\"invalid_token\"" : "")
        return Problem(
            .unauthorized,
            hasField ? "the token is not valid" : "the request has no field Authorization: Bearer",
            headers: ["WWW-Authenticate": challenge]
        )
    }

    /// Notes that someone tried to change something without the right to; one record of several in a row is enough.
    private func record(_ problem: Problem, _ request: HTTPRequest, _ token: APIToken) {
        let last = alerts?.auditRecords.first
        if last?.action == "refused" && last?.actor == token.name { return }
        let path = String(Problem.escaped(request.path).prefix(200))
        let detail = "\(request.method) \(path): \(problem.detail)"
        alerts?.record(AuditRecord(actor: token.name, action: "refused", subject: path, detail: detail))
    }

    private func allowOrigin(of request: HTTPRequest, in response: inout HTTPResponse) {
        if options.corsOrigins.isEmpty { return }
        let isForAll = options.corsOrigins.contains("*")
        // Caches must not give the answer for one origin to another.
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
