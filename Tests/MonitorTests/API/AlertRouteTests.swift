// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("MonitorAPI: alerts", .unit, .timeLimit(.minutes(1)))
struct AlertRouteTests {
    private let alerts = FakeAlerts()
    private var api: MonitorAPI { .over(FakeCluster(), FakeCluster(name: "other"), alerts: alerts) }

    private func names(_ path: String, _ query: [String: String] = [:]) async throws -> [String]? {
        (try await api.object(path, query)["alerts"] as? [[String: Any]])?.compactMap { $0["name"] as? String }
    }

    @Test func `Alerts have their facts, and the reason why no message about them is sent`() async throws {
        let list = try await api.object("/api/v1/alerts")["alerts"] as? [[String: Any]]
        let first = try #require(list?.first)
        #expect(first["id"] as? String == alerts.alerts.first?.id)
        #expect(first["name"] as? String == "EtcdMemberDown" && first["cluster"] as? String == "main")
        #expect((first["labels"] as? [String: String])?["member"] == "1")
        #expect(first["severity"] as? String == "critical" && first["state"] as? String == "firing")
        #expect(first["activeSince"] as? String == "2023-11-14T22:13:20.250Z")
        #expect(first["firingSince"] as? String == "2023-11-14T22:13:30.250Z")
        #expect(first["figures"] as? [String: Double] == ["p99_seconds": 0.2])
        #expect(first["reasonForSilence"] as? String == "maintenance night")
        #expect(list?.dropFirst().first?["firingSince"] == nil && first["resolvedAt"] == nil)
        alerts.change { $0.reason = nil }
        #expect(
            (try await api.object("/api/v1/alerts")["alerts"] as? [[String: Any]])?.first?["reasonForSilence"] == nil
        )
    }

    @Test func `Alerts can be asked for by cluster, state and severity`() async throws {
        #expect(try await names("/api/v1/alerts") == ["EtcdMemberDown", "EtcdSlowCommit", "Keys"])
        #expect(try await names("/api/v1/alerts", ["cluster": "main"])?.count == 3)
        #expect(try await names("/api/v1/alerts", ["cluster": "other"]) == [])
        #expect(try await names("/api/v1/alerts", ["state": "pending"]) == ["EtcdSlowCommit"])
        #expect(try await names("/api/v1/alerts", ["state": "firing", "severity": "info"]) == ["Keys"])
        for query in [["state": "resolved"], ["state": ""], ["severity": "page"]] {
            #expect(await api.text(HTTPRequest("GET", "/api/v1/alerts", query: query)).status == 400)
        }
        #expect(await api.text(HTTPRequest("GET", "/api/v1/alerts", query: ["cluster": "x"])).status == 404)
        // Alerts of a cluster that is no longer monitored are not listed here.
        alerts.change { $0.alerts.append(.sample("Old", "gone", .info, Date())) }
        #expect(try await names("/api/v1/alerts")?.contains("Old") == false)
    }

    @Test func `The history has the alerts that were there in a range of time`() async throws {
        let path = "/api/v1/alerts/history"
        let over = try #require(alerts.history.first)
        let (begin, end) = (over.activeSince.timeIntervalSince1970, over.resolvedAt?.timeIntervalSince1970 ?? 0)
        #expect(try await names(path) == ["EtcdSlowFsync"])
        #expect(try await names(path, ["cluster": "other"]) == [])
        for (name, seconds, count) in [
            ("to", begin - 1, 0), ("to", begin + 1, 1), ("from", end + 1, 0), ("from", end - 1, 1),
        ] {
            #expect(try await names(path, [name: "\(seconds)"])?.count == count, "\(name) \(seconds)")
        }
        alerts.change { $0.history += Array(repeating: over, count: 200) }
        #expect(try await names(path)?.count == 100)
        #expect(try await names(path, ["limit": "150"])?.count == 150)
        for query in [
            ["limit": "0"], ["limit": "-1"], ["limit": "1e3"], ["limit": "10001"], ["limit": "99999999999999999999"],
            ["from": "2", "to": "1"], ["from": "soon"],
        ] {
            #expect(await api.text(HTTPRequest("GET", path, query: query)).status == 400, "\(query)")
        }
    }

    @Test func `Channels and changes are as the center has them`() async throws {
        let channels = try await api.object("/api/v1/channels")["channels"] as? [[String: Any]]
        #expect(channels?.map { $0["name"] as? String } == ["chat", "mail"])
        #expect(channels?.first?["lastError"] as? String == "status 500")
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("a", role: .admin)]
        let request = HTTPRequest("GET", "/api/v1/audit", headers: ["Authorization": "Bearer a"])
        let records = try await MonitorAPI.over(alerts: alerts, options: options).object(request)["records"]
        #expect((records as? [[String: String]])?.map { $0["actor"] } == ["ops"])
    }

    @Test func `Without alerts in the settings, their routes answer with a problem instead of a list`() async throws {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("a", role: .admin)]
        let bare = MonitorAPI.over(FakeCluster(), options: options)
        let paths = ["/api/v1/alerts", "/api/v1/silences", "/api/v1/channels", "/api/v1/audit"]
        for route in Route.all where paths.contains(where: route.path.hasPrefix) {
            let problem = try await bare.object(route.sample("Bearer a"))
            #expect(problem["type"] as? String == "urn:etcd-monitor:problem:alerts-not-set-up", "\(route.path)")
        }
        // The list of clusters says whether there are alerts.
        let list = try await bare.object(HTTPRequest("GET", "/api/v1/clusters", headers: ["Authorization": "Bearer a"]))
        #expect(list["hasAlerts"] as? Bool == false && list["takesChanges"] as? Bool == true)
        let other = try await api.object("/api/v1/clusters")
        #expect(other["hasAlerts"] as? Bool == true && other["takesChanges"] as? Bool == false)
    }
}
