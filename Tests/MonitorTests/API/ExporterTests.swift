// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.cluster) struct ExporterTests {
    private static let python = ["/usr/bin/python3", ProcessInfo.processInfo.environment["MONITOR_PYTHON"]]
        .compactMap { $0 }.last { hasOpenMetrics($0) }
    private static let promtool = ["/usr/bin/promtool", "/usr/local/bin/promtool"]
        .first { FileManager.default.isExecutableFile(atPath: $0) }

    private static func hasOpenMetrics(_ python: String) -> Bool {
        guard FileManager.default.isExecutableFile(atPath: python) else { return false }
        return (try? run(python, ["-c", "import prometheus_client.openmetrics.parser"], input: ""))?.status == 0
    }

    /// Two clusters with names that need escapes, and with all figures there are.
    private var snapshots: [MonitorSnapshot] {
        var odd = MonitorSnapshot.sample("a \"b\"\\\nc")
        odd.metrics = Dictionary(Figure.allCases.map { ($0, 1.5) }) { $1 }
        for index in odd.members.indices { odd.members[index].metrics = odd.metrics }
        return [.sample(), odd, .sample("new", poll: 0)]
    }

    private func page(_ format: Exporter.Format = .text) -> String {
        Exporter.page(of: snapshots, live: ["main"], alerts: alerts, format: format)
    }

    /// Alerts of a cluster and channels with names that need escapes, and alerts of a cluster that is gone.
    private var alerts: FakeAlerts {
        var state = FakeAlerts.State.sample()
        state.alerts += FakeAlerts.State.sample("a \"b\"\\\nc").alerts + FakeAlerts.State.sample("gone").alerts
        state.alerts.append(.sample("EtcdSlowCommit", "main", .warning, Date()))
        state.channelReports.append(ChannelReport(name: "n\"\\", kind: "of my own"))
        return FakeAlerts(state)
    }

    @Test func `The page has each fact once, in groups`() {
        let lines = page().components(separatedBy: "\n")
        for line in [
            "etcd_monitor_up{etcd_cluster=\"main\"} 1.0", "etcd_monitor_up{etcd_cluster=\"new\"} 0.0",
            "etcd_monitor_polls_total{etcd_cluster=\"main\"} 7.0",
            "etcd_monitor_verdict{etcd_cluster=\"main\",verdict=\"degraded\"} 1.0",
            "etcd_monitor_verdict{etcd_cluster=\"main\",verdict=\"ok\"} 0.0",
            "etcd_monitor_cluster_quorum{etcd_cluster=\"main\",state=\"available\"} 1.0",
            "etcd_monitor_cluster_fault_tolerance{etcd_cluster=\"main\"} 1.0",
            "etcd_monitor_cluster_members{etcd_cluster=\"main\",role=\"follower\"} 2.0",
            "etcd_monitor_cluster_leader{etcd_cluster=\"main\",member=\"etcd-1\",member_id=\"1\"} 1.0",
            "etcd_monitor_cluster_puts_per_second{etcd_cluster=\"main\"} 12.5",
            "etcd_monitor_member_fsync_p99_seconds{etcd_cluster=\"main\",member=\"etcd-2\",member_id=\"2\"} 0.002",
            "etcd_monitor_peer_link_up{etcd_cluster=\"main\",from=\"1\",to=\"2\"} 1.0",
            "etcd_monitor_peer_link_up{etcd_cluster=\"main\",from=\"2\",to=\"1\"} 0.0",
            "etcd_monitor_finding{code=\"slow-fsync\",etcd_cluster=\"main\",subject=\"1\",verdict=\"degraded\"} 1.0",
            "etcd_monitor_probe_success{etcd_cluster=\"main\",member=\"etcd-1\",member_id=\"1\",probe=\"metrics\"} 0.0",
            "etcd_monitor_probe_duration_seconds"
                + "{etcd_cluster=\"main\",member=\"etcd-1\",member_id=\"1\",probe=\"status\"} 0.001",
            "etcd_monitor_up{etcd_cluster=\"a \\\"b\\\"\\\\\\nc\"} 0.0",
        ] {
            #expect(lines.count { $0 == line } == 1, "\(line)")
        }
        // Two alerts of one kind make one series.
        let slow = "alertname=\"EtcdSlowCommit\",etcd_cluster=\"main\",severity=\"warning\",state=\"pending\""
        let chat = "{channel=\"chat\",kind=\"slack\"}"
        for line in [
            "etcd_monitor_alerts{\(slow)} 2.0",
            "etcd_monitor_channel_failed_total\(chat) 4.0", "etcd_monitor_channel_failures_in_a_row\(chat) 3.0",
            "etcd_monitor_channel_waiting_alerts\(chat) 2.0", "etcd_monitor_channel_open_alerts\(chat) 0.0",
            "etcd_monitor_channel_last_success_timestamp_seconds\(chat) 1699999940.25",
            "etcd_monitor_channel_delivered_total{channel=\"mail\",kind=\"smtp\"} 12.0",
            "etcd_monitor_channel_delivered_total{channel=\"n\\\"\\\\\",kind=\"of my own\"} 0.0",
            "etcd_monitor_silences{state=\"active\"} 1.0", "etcd_monitor_silences{state=\"expired\"} 0.0",
        ] {
            #expect(lines.count { $0 == line } == 1, "\(line)")
        }
        #expect(!page().contains("gone") && !page().contains("last_success_timestamp_seconds{channel=\"n"))
        #expect(!Exporter.page(of: snapshots, live: []).contains("etcd_monitor_channel"))
        // There are no series for links in an unknown state, and for clusters that were not polled.
        #expect(!page().contains("from=\"2\",to=\"3\"") && !page().contains("polls_total{etcd_cluster=\"new\"}"))
        let names = lines.filter { $0.hasPrefix("# TYPE ") }
        #expect(Set(names).count == names.count && page().hasSuffix("\n"))
        let series = lines.filter { !$0.hasPrefix("#") && !$0.isEmpty }.map { $0.prefix { $0 != "}" } }
        #expect(Set(series).count == series.count)
    }

    @Test func `Duplicate series, and members that are gone, are not on the page`() {
        var snapshot = MonitorSnapshot.sample()
        snapshot.members[0].certificates += [
            CertificateReading(subject: "CN=etcd-1", role: .server, notAfter: Date(timeIntervalSince1970: 5))
        ]
        let page = Exporter.page(of: [snapshot, snapshot], live: [])
        let certificates = page.split(separator: "\n").filter { $0.contains("subject=\"CN=etcd-1\"") }
        #expect(certificates.count == 1 && certificates.first?.hasSuffix(" 5.0") == true)
        snapshot.members.removeLast()
        #expect(page.contains("etcd-3") && !Exporter.page(of: [snapshot], live: []).contains("etcd-3"))
    }

    @Test func `Values that are not finite have Prometheus's names`() {
        var snapshot = MonitorSnapshot.sample()
        snapshot.metrics = [.keys: .nan, .cpuCores: .infinity, .watchers: -.infinity]
        let page = Exporter.page(of: [snapshot], live: [])
        #expect(page.contains("cluster_keys{etcd_cluster=\"main\"} NaN\n"))
        #expect(page.contains("cluster_cpu_cores{etcd_cluster=\"main\"} +Inf\n"))
        #expect(page.contains("cluster_watchers{etcd_cluster=\"main\"} -Inf\n"))
    }

    @Test(arguments: [
        ("", false), ("*/*", false), ("text/html", false), ("application/openmetrics-text", true),
        ("application/openmetrics-text; version=1.0.0, text/plain;q=0.5", true),
        ("application/openmetrics-text;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.5", false),
        ("application/openmetrics-text;version=1.0.0;q=0,*/*;q=0.1", false),
        ("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", false),
        // As Prometheus 2.42 and 3 send it.
        (
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
                + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1", true
        ),
        (
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;"
                + "version=0.0.1;q=0.5,text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2", true
        ),
    ])
    func `The client chooses the format`(accept: String, isOpenMetrics: Bool) async {
        let answer = await MonitorAPI.over(FakeCluster()).text(
            HTTPRequest("GET", "/metrics", headers: ["Accept": accept])
        )
        #expect(
            answer.headers["Content-Type"]
                == (isOpenMetrics
                    ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                    : "text/plain; version=0.0.4; charset=utf-8")
        )
        #expect(answer.body.hasSuffix("# EOF\n") == isOpenMetrics)
        #expect(answer.body.contains("# TYPE etcd_monitor_polls counter\n") == isOpenMetrics)
        #expect(answer.body.contains("# TYPE etcd_monitor_polls_total counter\n") != isOpenMetrics)
        #expect(answer.headers["Vary"] == "Accept")
    }

    @Test(.enabled(if: promtool != nil, "promtool is not here"))
    func `promtool accepts the page`() throws {
        let promtool = try #require(Self.promtool)
        let (status, output) = try Self.run(promtool, ["check", "metrics"], input: page())
        #expect(status == 0 && output == "", "\(output)")
        // The control: promtool refuses a bad page.
        let bad = page().replacingOccurrences(of: "etcd_monitor_polls_total", with: "etcd_monitor_polls")
        #expect(try Self.run(promtool, ["check", "metrics"], input: bad).status != 0)
    }

    @Test(.enabled(if: python != nil, "Python's prometheus_client is not here"))
    func `An independent parser reads both formats, and finds the same values`() throws {
        let python = try #require(Self.python)
        let script = """
            import sys
            from prometheus_client.%@ import text_string_to_metric_families as parse
            for family in parse(sys.stdin.read()):
                for sample in family.samples:
                    print(repr((sample.name, sorted(sample.labels.items()), sample.value)))
            """
        let text = try Self.run(python, ["-c", String(format: script, "parser")], input: page())
        let parser = String(format: script, "openmetrics.parser")
        let openMetrics = try Self.run(python, ["-c", parser], input: page(.openMetrics))
        #expect(text.status == 0 && openMetrics.status == 0, "\(text.output) \(openMetrics.output)")
        #expect(text.output == openMetrics.output)
        let samples = page().split(separator: "\n").filter { !$0.hasPrefix("#") }.count
        #expect(text.output.split(separator: "\n").count == samples)
        #expect(text.output.contains(#"('etcd_cluster', 'a "b"\\\nc')"#))
    }

    /// Runs a program to its end.
    private static func run(_ path: String, _ arguments: [String], input: String) throws -> (
        status: Int32, output: String
    ) {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("exporter-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: file) }
        try Data(input.utf8).write(to: file)
        let (process, output) = (Process(), Pipe())
        process.executableURL = URL(fileURLWithPath: path)
        process.arguments = arguments
        process.standardInput = try FileHandle(forReadingFrom: file)
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let bytes = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: bytes, as: UTF8.self))
    }
}
