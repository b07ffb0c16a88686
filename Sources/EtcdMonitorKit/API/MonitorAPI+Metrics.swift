// SPDX-License-Identifier: Apache-2.0

import Foundation

extension MonitorAPI {
    func metrics(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let clusters = try chosen(request)
        let format = Exporter.Format(accepting: request.headers.values(of: "Accept"))
        let live = Set(clusters.filter(\.isLive).map(\.name))
        let page = Exporter.page(of: clusters.map(\.snapshot), live: live, alerts: alerts, format: format)
        let headers: HTTPHeaders = ["Content-Type": format.contentType, "Vary": "Accept"]
        return HTTPResponse(200, headers: headers, .bytes(Array(page.utf8)))
    }

    func metricNames(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let cluster = try cluster(request)
        return try JSONBody.response(
            ["cluster": cluster.name, "names": cluster.historyMetrics.sorted()] as JSONBody.Object
        )
    }

    /// The history of a metric; by default, the last hour.
    func history(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let cluster = try cluster(request)
        let to = try Parameters.time("to", of: request) ?? Date()
        let from = try Parameters.time("from", of: request) ?? to.addingTimeInterval(-3600)
        let step = try Parameters.seconds("step", of: request)
        guard let metric = request.query["metric"] else {
            throw Problem(.missingParameter, "metric: missing; /api/v1/metrics/names lists the names")
        }
        if from > to { throw Problem(.invalidParameter, "from: must not be after the end of the range") }
        guard cluster.historyMetrics.contains(metric) else {
            throw Problem(.unknownMetric, "\(metric): unknown; /api/v1/metrics/names lists the names")
        }
        // If a step would return too many points, a longer one is used, and the answer says so.
        let span = to.timeIntervalSince(from)
        let used = max(step ?? span / 500, span / 10_000, 1)
        return try JSONBody.response(
            [
                "cluster": cluster.name, "metric": metric, "from": from, "to": to, "stepSeconds": used,
                "points": cluster.history(of: metric, from: from, to: to, step: .seconds(used)),
            ] as JSONBody.Object
        )
    }
}
