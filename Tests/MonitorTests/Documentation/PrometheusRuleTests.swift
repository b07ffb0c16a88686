// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// Docs/monitoring/*-rules.yaml, as promtool and a reader see them.
@Suite("Rules for Prometheus", .cluster, .timeLimit(.minutes(2)))
struct PrometheusRuleTests {
    private static let promtool = PrometheusFiles.program("promtool")
    private static let tests = [
        "etcd-rules-test.yaml", "etcd-rules-day-test.yaml", "etcd-monitor-rules-test.yaml",
    ]

    @Test("pass promtool's check", .enabled(if: promtool != nil, "promtool is not here"))
    func check() throws {
        for file in PrometheusFiles.rules {
            let (status, output) = try PrometheusFiles.run(
                Self.promtool,
                ["check", "rules", PrometheusFiles.path(file)]
            )
            #expect(status == 0 && output.contains("SUCCESS") && !output.contains("FAILED"), "\(output)")
        }
    }

    @Test("fire when they should", .enabled(if: promtool != nil, "promtool is not here"), arguments: tests)
    func unit(file: String) throws {
        let (status, output) = try PrometheusFiles.run(Self.promtool, ["test", "rules", PrometheusFiles.path(file)])
        #expect(status == 0, "\(output)")
    }

    @Test("have a test for each alert, in which it fires, and one in which it does not")
    func coverage() throws {
        let tests = try Self.tests.map(PrometheusFiles.text).joined()
        for rule in try Self.all() where rule.isAlert {
            let fires = "alertname: \(rule.name)\n        exp_alerts:\n          - exp_labels:"
            #expect(tests.contains(fires), "\(rule.name) fires in no test")
            let severity = try #require(rule.values["severity"], "\(rule.name)")
            #expect(["info", "warning", "critical"].contains(severity), "\(rule.name)")
            if rule.expression == "vector(1)" { continue }
            #expect(tests.contains("alertname: \(rule.name), exp_alerts: []"), "\(rule.name) is silent in no test")
        }
    }

    @Test("link to the entry of their finding in Docs/Monitoring.md, and have its name")
    func runbooks() throws {
        let page = try PrometheusFiles.text("../Monitoring.md")
        var count = 0
        for rule in try Self.all() where rule.isAlert {
            #expect(rule.values["summary"] != nil && rule.values["description"] != nil, "\(rule.name)")
            guard let link = rule.values["runbook_url"] else { continue }
            let anchor = link.replacing("Docs/Monitoring.md#", with: "")
            count += 1
            if rule.name == "EtcdFinding" {
                #expect(anchor == "{{ $labels.code }}")
                continue
            }
            #expect(page.contains("\n### \(anchor)\n"), "\(rule.name) leads to \(link)")
            guard let code = rule.values["code"] else { continue }
            #expect(anchor == code, "\(rule.name)")
            let name = code.split(separator: "-").map { $0.prefix(1).uppercased() + $0.dropFirst() }.joined()
            // Metrics can be missing in two ways.
            #expect(
                rule.name == "Etcd\(name)" || rule.name == "EtcdMemberNotScraped",
                "\(rule.name) has the code \(code)"
            )
        }
        #expect(count > 40)
    }

    @Test("name only metrics that etcd or its exporter has, and say since when")
    func metrics() throws {
        let table = try PrometheusMetric.table()
        let recorded = Set(try Self.all().filter { !$0.isAlert }.map(\.name))
        var count = 0
        for rule in try PrometheusRule.all(in: "etcd-rules.yaml") {
            for name in PrometheusRule.metrics(in: rule.expression) where !recorded.contains(name) {
                if PrometheusMetric.foreign[name] != nil { continue }
                let metric = try #require(PrometheusMetric.find(name, in: table), "\(rule.name): there is no \(name)")
                count += 1
                for release in metric.since {
                    #expect(rule.comment.contains(release), "\(rule.name) does not say that \(name) is of \(release)")
                }
                if metric.note.contains("extensive") { #expect(rule.comment.contains("--metrics extensive")) }
            }
        }
        #expect(count > 60)
    }

    @Test("name only metrics that the monitor's exporter makes")
    func exporter() throws {
        let folder = PrometheusFiles.folder.appending(path: "../../Sources/EtcdMonitorKit/Exporter").standardized
        let sources = try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .map { try String(contentsOf: $0, encoding: .utf8) }.joined()
        var count = 0
        for rule in try PrometheusRule.all(in: "etcd-monitor-rules.yaml") {
            for name in PrometheusRule.metrics(in: rule.expression) where PrometheusMetric.foreign[name] == nil {
                #expect(name.hasPrefix("etcd_monitor_"), "\(rule.name): \(name)")
                let short = name.replacing("etcd_monitor_", with: "").replacing(/_total$/, with: "")
                let isThere = sources.contains("\"\(short)\"")
                #expect(isThere, "\(rule.name): the exporter has no \(name)")
                count += 1
            }
        }
        #expect(count > 12)
    }

    @Test("are parsed completely")
    func reader() throws {
        let expression =
            #"sum by (job) (rate(a_total{b=~"c|d{e}"}[5m])) / on (job) (f:g{} offset 2m > bool 1e3) and h unless i"#
        #expect(PrometheusRule.metrics(in: expression) == ["a_total", "f:g", "h", "i"])
        for file in PrometheusFiles.rules {
            let text = try PrometheusFiles.text(file)
            let rules = try PrometheusRule.all(in: file)
            #expect(rules.count { $0.isAlert } == text.matches(of: /- alert:/).count)
            #expect(rules.allSatisfy { !$0.expression.isEmpty })
        }
    }

    private static func all() throws -> [PrometheusRule] {
        try PrometheusFiles.rules.flatMap(PrometheusRule.all)
    }
}
