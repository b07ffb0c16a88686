// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The panels of Docs/monitoring/grafana-dashboard.json, as far as the tests look at them.
struct GrafanaDashboard: Decodable {
    struct Source: Decodable {
        let type: String
        let uid: String
    }

    struct Target: Decodable {
        let refId: String
        let expr: String
        let datasource: Source
    }

    struct Place: Decodable {
        let x, y, w, h: Int
    }

    struct Defaults: Decodable {
        struct Thresholds: Decodable {
            let steps: [Step]
        }
        struct Step: Decodable {
            let color: String
            let value: Double?
        }

        let unit: String
        let thresholds: Thresholds
    }

    struct FieldConfig: Decodable {
        let defaults: Defaults
    }

    struct Panel: Decodable {
        let id: Int
        let type: String
        let title: String
        let description: String?
        let gridPos: Place
        let targets: [Target]?
        let fieldConfig: FieldConfig?
    }

    struct Variable: Decodable {
        let name: String
        let type: String
        let definition: String?
    }

    struct Templating: Decodable {
        let list: [Variable]
    }

    let uid: String
    let title: String
    let schemaVersion: Int
    let panels: [Panel]
    let templating: Templating

    static func read() throws -> GrafanaDashboard {
        try JSONDecoder().decode(Self.self, from: Data(PrometheusFiles.text("grafana-dashboard.json").utf8))
    }

    /// An expression with the variables replaced, as Grafana does it when all is chosen.
    static func filled(_ expression: String) -> String {
        expression.replacing("$__rate_interval", with: "15s").replacing(/\$(?:job|cluster|instance)\b/, with: ".*")
    }
}

/// The parts of the dashboard that Grafana needs to import it, and that its readers need.
@Suite("The Grafana dashboard", .unit, .timeLimit(.minutes(1)))
struct GrafanaDashboardTests {
    @Test("has the version, the variables and the rows that it should")
    func outline() throws {
        let dashboard = try GrafanaDashboard.read()
        #expect(!dashboard.uid.isEmpty && dashboard.uid.count <= 40 && !dashboard.title.isEmpty)
        // Grafana 10 writes 38, and later ones migrate it.
        #expect(dashboard.schemaVersion == 38)
        #expect(dashboard.templating.list.map(\.name) == ["datasource", "job", "cluster", "instance"])
        #expect(dashboard.templating.list.map(\.type) == ["datasource", "query", "query", "query"])
        let rows = dashboard.panels.filter { $0.type == "row" }.map(\.title)
        #expect(
            rows == [
                "Overview", "Members", "Raft", "Disk", "Network", "Requests", "Watches", "Leases and keys", "Resources",
            ]
        )
    }

    @Test("has panels with a unit, a description, thresholds, and the chosen data source")
    func panels() throws {
        let panels = try GrafanaDashboard.read().panels
        #expect(Set(panels.map(\.id)).count == panels.count)
        for panel in panels where panel.type != "row" {
            let defaults = try #require(panel.fieldConfig?.defaults, "\(panel.title)")
            #expect(["timeseries", "stat", "table"].contains(panel.type), "\(panel.title)")
            #expect(!defaults.unit.isEmpty && !defaults.thresholds.steps.isEmpty, "\(panel.title)")
            #expect(defaults.thresholds.steps.first?.value == nil, "\(panel.title): the first step has no value")
            #expect(panel.description?.isEmpty == false, "\(panel.title)")
            let targets = try #require(panel.targets, "\(panel.title)")
            #expect(!targets.isEmpty && Set(targets.map(\.refId)).count == targets.count, "\(panel.title)")
            for target in targets {
                #expect(target.datasource.type == "prometheus" && target.datasource.uid == "${datasource}")
                let names = target.expr.matches(of: /\$(\w+)/).map { String($0.output.1) }
                #expect(Set(names).isSubset(of: ["job", "cluster", "instance", "__rate_interval"]), "\(panel.title)")
            }
        }
    }

    @Test("has panels that do not overlap, and fit the width")
    func places() throws {
        let panels = try GrafanaDashboard.read().panels
        for (index, panel) in panels.enumerated() {
            let place = panel.gridPos
            #expect(place.x >= 0 && place.w > 0 && place.x + place.w <= 24, "\(panel.title)")
            for other in panels[(index + 1)...] {
                let isBeside = place.x + place.w <= other.gridPos.x || other.gridPos.x + other.gridPos.w <= place.x
                let isAbove = place.y + place.h <= other.gridPos.y || other.gridPos.y + other.gridPos.h <= place.y
                #expect(isBeside || isAbove, "\(panel.title) lies on \(other.title)")
            }
        }
    }

    @Test("names only metrics that etcd has, and says since when, and what has to happen first")
    func metrics() throws {
        let table = try PrometheusMetric.table()
        var names: Set<String> = []
        for panel in try GrafanaDashboard.read().panels {
            let description = panel.description ?? ""
            for target in panel.targets ?? [] {
                for name in PrometheusRule.metrics(in: target.expr) where PrometheusMetric.foreign[name] == nil {
                    let metric = try #require(PrometheusMetric.find(name, in: table), "\(panel.title): no \(name)")
                    names.insert(metric.name)
                    for release in metric.since {
                        #expect(description.contains(release), "\(panel.title) does not say: \(name), \(release)")
                    }
                    for note in metric.note.replacing("`", with: "").split(separator: "; ")
                    where note.hasPrefix("after the first") || note.hasPrefix("only with") {
                        #expect(description.contains(note), "\(panel.title) does not say: \(name), \(note)")
                    }
                }
            }
        }
        #expect(names.count > 60)
        #expect(!names.contains { $0.hasPrefix("etcd_debugging_mvcc_db_total") })
    }
}
