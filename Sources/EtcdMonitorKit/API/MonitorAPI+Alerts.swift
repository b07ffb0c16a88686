// SPDX-License-Identifier: Apache-2.0

import Foundation

extension MonitorAPI {
    /// The center of alerts.
    ///
    /// - Throws: A problem if there is none, because an empty list would mean that all is well.
    func center() throws(Problem) -> any AlertSource {
        guard let alerts else { throw Problem(.alertsNotSetUp, "this API was made without an AlertCenter") }
        return alerts
    }

    /// The alerts that are pending or firing, the worst first.
    func alertList(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let center = try center()
        let state = try Parameters.choice("state", among: [Alert.State.pending, .firing], of: request)
        let severity = try Parameters.choice("severity", among: AlertSeverity.allCases, of: request)
        let clusters = try alertClusters(request)
        let alerts = center.alerts.filter { alert in
            clusters.contains(alert.cluster) && alert.state == state ?? alert.state
                && alert.severity == severity ?? alert.severity
        }
        let list = alerts.map { Self.object($0).adding(["reasonForSilence": center.reasonForSilence(of: $0)]) }
        return try JSONBody.response(["time": Date(), "alerts": list] as JSONBody.Object)
    }

    /// The resolved alerts in a range of time, the newest first.
    func alertHistory(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let center = try center()
        let from = try Parameters.time("from", of: request) ?? .distantPast
        let to = try Parameters.time("to", of: request) ?? .distantFuture
        let limit = try Parameters.count("limit", in: 1...10_000, of: request) ?? 100
        if from > to { throw Problem(.invalidParameter, "from: must not be after the end of the range") }
        let clusters = try alertClusters(request)
        let alerts = center.history.lazy.filter { alert in
            clusters.contains(alert.cluster) && alert.activeSince <= to && alert.resolvedAt ?? .distantFuture >= from
        }
        return try JSONBody.response(["alerts": alerts.prefix(limit).map(Self.object)] as JSONBody.Object)
    }

    /// The clusters whose alerts a request asks for.
    ///
    /// Alerts about the monitor itself belong to each cluster.
    private func alertClusters(_ request: HTTPRequest) throws(Problem) -> Set<String> {
        Set(try chosen(request).map(\.name)).union([AlertEngine.ownCluster])
    }

    /// The state of the channels.
    func channelList(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try JSONBody.response(["channels": try center().channelReports] as JSONBody.Object)
    }

    /// The changes that people made, the newest first.
    func audit(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try JSONBody.response(["records": try center().auditRecords] as JSONBody.Object)
    }

    private static func object(_ alert: Alert) -> JSONBody.Object {
        [
            "id": alert.id, "name": alert.name, "cluster": alert.cluster, "labels": alert.labels,
            "severity": alert.severity, "state": alert.state, "summary": alert.summary,
            "description": alert.description, "runbook": alert.runbook, "figures": alert.figures,
            "activeSince": alert.activeSince, "firingSince": alert.firingSince, "resolvedAt": alert.resolvedAt,
        ]
    }
}
