// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

/// The lists of Docs/Monitoring.md are complete and true.
///
/// With `ETCD_KIT_WRITE_DOCS` in the environment, the tests write the page's tables instead of comparing them.
@Suite("Docs/Monitoring.md", .cluster, .timeLimit(.minutes(1)))
struct MonitoringPageTests {
    private static let path = Repository.url("Docs/Monitoring.md")

    @Test("has an entry for each finding, with its meaning and its advice")
    func findings() throws {
        let entries = Finding.Code.allCases.map { code in
            "### \(code.rawValue)\n\n**\(code.title).** \(code.meaning)\n\n*Advice*: \(code.advice)"
        }
        #expect(Finding.Code.allCases.allSatisfy { !$0.meaning.isEmpty && !$0.advice.isEmpty })
        try compare("findings", entries.joined(separator: "\n\n"))
    }

    @Test("has an entry for the runbook of each alert")
    func runbooks() throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        var snapshot = MonitorSnapshot()
        snapshot.poll = 1
        var matches = try AlertRule.findings.flatMap { rule in
            let code = try #require(Finding.Code.allCases.first { AlertRule.name(of: $0) == rule.name })
            var found = snapshot
            found.findings = [Finding(Finding.ID(code), .critical, "found", since: Date())]
            return try #require(rule.matches(found))
        }
        #expect(matches.count == Finding.Code.allCases.count)
        matches += try #require(AlertRule.watchdog.matches(snapshot))
        let failure = AlertEngine.ChannelFailure(channel: "ops", attempts: 9, reason: "down")
        matches += try #require(AlertEngine.sighting(of: [failure]).matches)
        for match in matches {
            let place = try #require(match.runbook?.wholeMatch(of: /Docs\/Monitoring\.md#(.+)/), "\(match.summary)")
            #expect(page.contains("\n### \(place.output.1)\n\n**"), "\(place.output.0)")
        }
    }

    @Test("has each threshold with its default, as its source has it")
    func thresholds() throws {
        let source = try Repository.text("Sources/EtcdMonitorKit/Health/Thresholds.swift")
        var rows = ["| threshold | default | description |", "|---|---|---|"]
        var comment: [String] = []
        for line in source.split(separator: "\n").map({ $0.trimmingCharacters(in: .whitespaces) }) {
            if line.hasPrefix("///") {
                if line.count > 3 { comment.append(String(line.dropFirst(4))) }
            } else if let match = line.firstMatch(of: /^public var (\w+)(?:: [\w?]+)?(?: = (.+))?$/) {
                let value = match.output.2.map { $0.replacing("_", with: "").replacing(/\.0$/, with: "") } ?? "none"
                let text = comment.joined(separator: " ").replacing("``", with: "`")
                rows.append("| `\(match.output.1)` | \(value) | \(text) |")
                comment = []
            } else {
                comment = []
            }
        }
        let names = try JSONSerialization.jsonObject(with: JSONEncoder().encode(Thresholds())) as? [String: Any]
        #expect(rows.count - 2 == names?.count)
        try compare("thresholds", rows.joined(separator: "\n"))
    }

    @Test("quotes the middleware in Integrations, which is compiled")
    func middleware() throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        let file = Repository.url("Integrations/Sources/EtcdHummingbird/MonitorMiddleware.swift")
        let section = try #require(
            page.components(separatedBy: "## Mount it").last?.components(separatedBy: "## ").first
        )
        let quoted = section.split(separator: "\n").filter { $0.hasPrefix("    ") }.map(Self.trimmed)
        var source = try String(contentsOf: file, encoding: .utf8).split(separator: "\n").map(Self.trimmed)[...]
        for line in quoted {
            let index = try #require(source.firstIndex(of: line), "\(line) is not there, or not in this order")
            source = source[(index + 1)...]
        }
        #expect(quoted.count > 20)
    }

    private static func trimmed(_ line: Substring) -> String { line.trimmingCharacters(in: .whitespaces) }

    @Test("has each figure")
    func figures() throws {
        let rows = Figure.allCases.map { "| `\($0.rawValue)` | \($0.help) |" }
        try compare("figures", (["| figure | description |", "|---|---|"] + rows).joined(separator: "\n"))
    }

    @Test("has each setting")
    func settings() throws {
        // Those of benchmarks have a page of their own.
        let others = Setting.all.filter { setting in !Setting.benchmark.contains { $0.name == setting.name } }
        let table = Self.table(of: others).replacing("| `cluster` |", with: "| see `clusters` below |")
        try compare("settings", table)
    }

    /// The table of some settings.
    static func table(of settings: [Setting]) -> String {
        let rows = settings.compactMap { setting in
            setting.flag.map {
                "| `\($0)` | `\(setting.isSecret ? setting.key + "File" : setting.key)` | \(setting.help) |"
            }
        }
        return (["| flag | in the file | meaning |", "|---|---|---|"] + rows).joined(separator: "\n")
    }

    @Test("has each route, and each link in it leads somewhere")
    func routes() throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        for route in Route.all { #expect(page.contains("| `\(route.path)` |"), "\(route.path)") }
        let anchors = page.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
            line.drop { $0 == "#" || $0 == " " }.lowercased().replacing(" ", with: "-").replacing(
                /[^a-z0-9-]/,
                with: ""
            )
        }
        for link in page.matches(of: /\]\(#([^)]+)\)/) {
            #expect(anchors.contains(String(link.output.1)), "\(link.output.1)")
        }
        for code in Finding.Code.allCases { #expect(anchors.contains(code.rawValue)) }
    }

    @Test("names metrics that the exporter has")
    func metrics() throws {
        let page = try String(contentsOf: Self.path, encoding: .utf8)
        let section = try #require(page.firstRange(of: "## Metrics"))
        let table = try #require(page[section.upperBound...].firstMatch(of: /\|---\|---\|\n((?:\|.*\n)+)/)).output.1
        var snapshot = MonitorSnapshot()
        snapshot.cluster = "c"
        snapshot.poll = 1
        snapshot.leader = Leader(memberID: "1", name: "m", term: 1, since: Date())
        snapshot.links = [PeerLink(from: "1", to: "2", state: .alive)]
        snapshot.findings = [Finding(Finding.ID(.memberDown, "1"), .critical, "It is down.", since: Date())]
        var member = MemberSnapshot()
        member.id = "1"
        (member.raftIndex, member.raftAppliedIndex, member.revision, member.clockOffsetSeconds) = (1, 1, 1, 0)
        member.probes = ["status": ProbeResult(seconds: 1)]
        member.certificates = [CertificateReading(subject: "CN=m", role: .server, notAfter: Date())]
        snapshot.members = [member]
        let exported = Exporter.page(of: [snapshot], live: ["c"], alerts: FakeAlerts(.sample("c")))
        let names = table.matches(of: /`([a-z_]+)`/).map { String($0.output.1) }
        #expect(names.count >= 20)
        for name in names {
            #expect(
                exported.contains("\netcd_monitor_\(name){") || exported.contains("\netcd_monitor_\(name) "),
                "\(name)"
            )
        }
    }

    @Test("its code runs")
    func snippets() async throws {
        try await withEtcdCluster { cluster in
            let endpoints = cluster.endpoints.joined(separator: ",")
            let service = Task { try await Snippets.embedding(endpoints) }
            try await withEtcdClient(endpoints: endpoints) { client in
                let monitor = try ClusterMonitor(client)
                let polling = Task { try await monitor.run() }
                let following = Task { await Snippets.snapshots(monitor) }
                #expect(await eventually { monitor.snapshot.poll > 0 })
                #expect(monitor.historyMetrics.contains("cluster/keys"))
                Snippets.history(monitor)
                Snippets.readiness(monitor)
                #expect(try Snippets.options(client).name == "prod-eu")
                let api = Snippets.access(monitor, monitor, readSecret: "r", adminSecret: "a")
                #expect(await api.respond(to: HTTPRequest("GET", "/health")).status == 401)
                for task in [polling, service] {
                    task.cancel()
                    _ = try await task.value
                }
                following.cancel()
                await following.value
            }
        }
    }

    private func compare(_ name: String, _ expected: String) throws {
        try Repository.compare(name, with: expected, in: Self.path)
    }
}
