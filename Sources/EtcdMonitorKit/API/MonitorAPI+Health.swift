// SPDX-License-Identifier: Apache-2.0

extension MonitorAPI {
    func page(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        HTTPResponse(200, headers: StatusPage.headers, .bytes(Array(StatusPage.html.utf8)))
    }

    /// The verdict and its reasons, for clients that check only the status.
    func health(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let isStrict = try Parameters.flag("strict", of: request)
        let results = try chosen(request).map { cluster in
            let (snapshot, gap) = (cluster.snapshot, Self.gap(of: cluster))
            let reasons = snapshot.findings.filter { $0.verdict != .ok }.map { "\($0.id): \($0.summary)" }
            return (
                name: cluster.name,
                verdict: gap == nil ? snapshot.verdict : max(.unknown, snapshot.verdict),
                reasons: (gap.map { [$0] } ?? []) + reasons
            )
        }
        let verdict = results.map(\.verdict).max() ?? .unknown
        let isGood = isStrict ? verdict == .ok : verdict != .critical
        let list = results.map { ["name": $0, "verdict": $1, "reasons": $2] as JSONBody.Object }
        return try JSONBody.response(
            ["verdict": verdict, "clusters": list] as JSONBody.Object,
            status: isGood ? 200 : 503
        )
    }

    /// The reason why the snapshot of a cluster is not current; nil if it is.
    private static func gap(of cluster: any MonitoredCluster) -> String? {
        if cluster.snapshot.poll == 0 { return "the first poll has not finished" }
        return cluster.isLive ? nil : "the polls have stopped"
    }

    /// Whether the process works.
    ///
    /// The state of the clusters does not count: it is no reason to restart the service.
    func alive(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try checks(request) { $0.snapshot.poll > 0 ? Self.gap(of: $0) : nil }
    }

    func ready(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try checks(request) { $0.snapshot.poll == 0 ? "the first poll has not finished" : nil }
    }

    /// A check of each cluster as text, in the format of etcd's own checks.
    private func checks(
        _ request: HTTPRequest,
        failure: (any MonitoredCluster) -> String?
    ) throws(Problem) -> HTTPResponse {
        let isVerbose = try Parameters.flag("verbose", of: request)
        let results = clusters.map { (name: $0.name, failure: failure($0)) }
        let isGood = results.allSatisfy { $0.failure == nil }
        var lines: [String] = []
        if isVerbose || !isGood {
            lines = results.map { name, failure in failure.map { "[-]\(name) failed: \($0)" } ?? "[+]\(name) ok" }
        }
        lines.append(isGood ? "ok" : "failed")
        let text = lines.map { "\($0)\n" }.joined()
        return HTTPResponse(
            isGood ? 200 : 503,
            headers: ["Content-Type": "text/plain; charset=utf-8"],
            .bytes(Array(text.utf8))
        )
    }
}
