// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Foundation
import Testing

@testable import EtcdTesting

/// A real Prometheus with the rules scrapes a real cluster.
@Suite(
    "A Prometheus with the rules",
    .cluster,
    .timeLimit(.minutes(3)),
    .enabled(if: PrometheusFiles.program("prometheus") != nil, "there is no prometheus")
)
struct PrometheusLiveTests {
    @Test("raises no alert for a healthy cluster, has data for the dashboard, and finds members that are down")
    func cluster() async throws {
        let options = EtcdCluster.Options(
            memberCount: 3,
            // A machine that is busy with other tests is late with heartbeats of 50 ms.
            extraArguments: ["--metrics=extensive", "--heartbeat-interval=200", "--election-timeout=2000"],
            startTimeout: .seconds(60)
        )
        try await withEtcdCluster(options) { cluster in
            let prometheus = try Self.start(cluster)
            defer { prometheus.stop() }
            try await prometheus.wait("all members are scraped, and the rules evaluated") {
                try await Self.use(cluster.members[0])
                let rules = try await Self.rules(prometheus)
                let isDone = rules.allSatisfy { !$0.lastEvaluation.hasPrefix("0001-") }
                return try await prometheus.query("count(up == 1) == 3").count == 1 && isDone
            }
            // The control: so many evaluations without any other alert.
            for _ in 0..<8 {
                try await Self.use(cluster.members[0])
                try await Task.sleep(for: .milliseconds(500))
                #expect(try await Self.alerts(prometheus, "firing") == ["EtcdWatchdog"])
            }
            for rule in try await Self.rules(prometheus) {
                #expect(rule.health == "ok" && rule.lastError == nil, "\(rule.name): \(rule.lastError ?? "")")
            }
            try await queryDashboard(prometheus, cluster)

            let places = try cluster.members.map { try #require($0.endpoint.split(separator: "/").last) }
            await cluster.members[2].kill()
            try await prometheus.wait("the member that is down is found") {
                try await Self.alerts(prometheus, "firing")
                    == ["EtcdMemberDown", "EtcdNoFaultTolerance", "EtcdWatchdog"]
            }
            let down = try await prometheus.query(#"ALERTS{alertname="EtcdMemberDown",alertstate="firing"}"#)
            #expect(down.map { $0.metric["instance"] } == [String(places[2])])
            #expect(down.map { $0.metric["severity"] } == ["warning"])

            await cluster.members[1].kill()
            try await prometheus.wait("the lost quorum is found") {
                try await Self.alerts(prometheus, "firing").isSuperset(of: ["EtcdQuorumLost", "EtcdMemberDown"])
            }
            #expect(
                try await Self.alerts(prometheus, "firing").isDisjoint(with: ["EtcdNoLeader", "EtcdMemberIsolated"])
            )
            let lost = try await prometheus.query(#"ALERTS{alertname="EtcdQuorumLost",alertstate="firing"}"#)
            #expect(lost.map { $0.metric["etcd_cluster"] } == ["live"])
        }
    }

    /// Expects that all queries of the dashboard are understood, and those have data whose metrics are there.
    private func queryDashboard(_ prometheus: PrometheusServer, _ cluster: EtcdCluster) async throws {
        let table = try PrometheusMetric.table()
        let version = try await prometheus.query("etcd_server_version")
        let release = try #require(version.first?.metric["server_version"])
        var withData = 0
        for panel in try GrafanaDashboard.read().panels {
            for target in panel.targets ?? [] {
                let series = try await prometheus.query(GrafanaDashboard.filled(target.expr))
                let metrics = PrometheusRule.metrics(in: target.expr).compactMap {
                    PrometheusMetric.find($0, in: table)
                }
                let isThere = try metrics.allSatisfy { try $0.isThereFromTheStart && $0.exists(in: release) }
                if isThere { #expect(!series.isEmpty, "\(panel.title): \(target.expr)") }
                if !series.isEmpty { withData += 1 }
            }
        }
        #expect(withData > 60)
        for variable in try GrafanaDashboard.read().templating.list {
            guard let match = variable.definition?.wholeMatch(of: /label_values\((.+), (\w+)\)/) else { continue }
            let series = try await prometheus.query(GrafanaDashboard.filled(String(match.output.1)))
            #expect(Set(series.compactMap { $0.metric[String(match.output.2)] }).count >= 1, "\(variable.name)")
        }
    }

    /// Starts a Prometheus that scrapes the cluster and evaluates the rules each second, with holds of two seconds.
    private static func start(_ cluster: EtcdCluster) throws -> PrometheusServer {
        let targets = try cluster.members.map { "\"\(try #require($0.endpoint.split(separator: "/").last))\"" }
        let configuration = """
            global: {scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}
            rule_files: [etcd-rules.yaml]
            scrape_configs:
              - job_name: etcd
                static_configs: [{targets: [\(targets.joined(separator: ", "))], labels: {etcd_cluster: live}}]
            """
        let rules = try PrometheusFiles.text("etcd-rules.yaml").replacing(/\bfor: \w+/, with: "for: 2s")
        return try .prometheus(configuration, files: ["etcd-rules.yaml": rules])
    }

    /// Writes, reads and compacts, so that there is something to see.
    private static func use(_ member: EtcdMember) async throws {
        let port = try #require(member.endpoint.split(separator: ":").last.flatMap { UInt16($0) })
        for (path, body) in [
            ("/v3/kv/put", #"{"key":"YQ==","value":"YQ=="}"#), ("/v3/kv/range", #"{"key":"YQ=="}"#),
            ("/v3/kv/compaction", #"{"revision":"2"}"#),
        ] {
            _ = try await LoopbackHTTP.request(path, posting: body, port: port, deadline: .now + .seconds(5))
        }
    }

    private struct Rule: Decodable {
        let name: String
        let health: String
        let lastError: String?
        let lastEvaluation: String
    }

    private static func rules(_ prometheus: PrometheusServer) async throws -> [Rule] {
        struct Answer: Decodable {
            let data: Groups
        }
        struct Groups: Decodable {
            let groups: [Group]
        }
        struct Group: Decodable {
            let rules: [Rule]
        }
        let answer = try JSONDecoder().decode(Answer.self, from: try await prometheus.get("/api/v1/rules"))
        let rules = answer.data.groups.flatMap(\.rules)
        #expect(rules.count == (try PrometheusRule.all(in: "etcd-rules.yaml")).count)
        return rules
    }

    /// The names of the alerts that are in a state.
    private static func alerts(_ prometheus: PrometheusServer, _ state: String) async throws -> Set<String> {
        let series = try await prometheus.query("ALERTS{alertstate=\"\(state)\"}")
        return Set(series.compactMap { $0.metric["alertname"] })
    }
}
