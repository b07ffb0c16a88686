// SPDX-License-Identifier: Apache-2.0

import Foundation

extension MonitorAPI {
    /// An overview of all clusters.
    func clusterList(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let list: [JSONBody.Object] = clusters.map { cluster in
            let snapshot = cluster.snapshot
            let counts = Dictionary(snapshot.findings.map { ($0.verdict.rawValue, 1) }, uniquingKeysWith: +)
            return [
                "name": cluster.name, "clusterID": snapshot.clusterID, "time": snapshot.time, "isLive": cluster.isLive,
                "verdict": snapshot.verdict, "quorum": snapshot.quorum, "leader": snapshot.leader,
                "members": snapshot.members.count, "versions": Set(snapshot.members.compactMap(\.version)).sorted(),
                "findings": counts, "metrics": snapshot.metrics,
            ]
        }
        return try JSONBody.response(
            ["clusters": list, "hasAlerts": alerts != nil, "takesChanges": takesChanges] as JSONBody.Object
        )
    }

    func status(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try JSONBody.response(try cluster(request).snapshot)
    }

    func members(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try answer(request) { ["members": $0.members, "links": $0.links] }
    }

    func leader(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try answer(request) { ["leader": $0.leader, "history": $0.leaderHistory] }
    }

    func readiness(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try JSONBody.response(ReadinessReport(try cluster(request).snapshot))
    }

    func findings(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try answer(request) { ["verdict": $0.verdict, "findings": $0.findings] }
    }

    func currentMetrics(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try answer(request) { snapshot in
            let members = snapshot.members.map {
                ["id": $0.id, "name": $0.name, "metrics": $0.metrics] as JSONBody.Object
            }
            return ["metrics": snapshot.metrics, "members": members]
        }
    }

    func latency(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        try answer(request) { ["latency": $0.latency] }
    }

    /// A part of the newest snapshot, with its cluster and time.
    private func answer(
        _ request: HTTPRequest,
        _ part: (MonitorSnapshot) -> JSONBody.Object
    ) throws(Problem) -> HTTPResponse {
        let snapshot = try cluster(request).snapshot
        return try JSONBody.response(part(snapshot).adding(["cluster": snapshot.cluster, "time": snapshot.time]))
    }
}
