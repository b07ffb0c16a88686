// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Drives the page in a browser, with the API and the server that it has in use, and with clusters of the test's making.
@Suite(.cluster, .enabled(if: Browser.path != nil, "Chromium is not installed"), .serialized, .timeLimit(.minutes(3)))
struct StatusPageBrowserTests {
    @Test(arguments: [360, 1280], ["light", "dark"])
    func `The page shows a healthy cluster, and a member that goes down`(width: Int, scheme: String) async throws {
        let cluster = PageCluster()
        try await Self.serving([cluster]) { address in
            let browser = try await Browser(address, width: width, scheme: scheme)
            defer { browser.close() }
            #expect(try await browser.sees("document.querySelectorAll('.plot path.curve').length === 12"))
            var text = try await browser.text()
            #expect(text.contains("Healthy") && text.contains("3 of 3 voters healthy"))
            #expect(text.contains("There are no findings.") && text.contains("3.5.30") && text.contains("24 MiB"))
            #expect(!text.contains("Critical") && !text.contains("Alerts") && !text.contains("Channels"))

            cluster.send { $0.loseMember() }
            #expect(try await browser.sees("document.title.startsWith('Critical')"))
            text = try await browser.text()
            #expect(text.contains("etcd-2 is down.") && text.contains(cluster.snapshot.findings[0].advice))
            #expect(text.contains(cluster.snapshot.findings[0].runbook))
            #expect(text.contains("silent\n1.5 min") && text.contains("2 of 3 voters healthy"))
            #expect(text.contains("status: connection refused"))
            #expect(!text.contains("There are no findings."))

            // Nothing is wider than the screen, and the colours are those of the scheme.
            #expect(try await browser.value(of: "document.documentElement.scrollWidth") == "\(width)")
            let colour = try await browser.value(of: "getComputedStyle(document.body).backgroundColor")
            #expect(colour == (scheme == "dark" ? "rgb(14, 18, 23)" : "rgb(244, 245, 247)"))
            #expect(browser.messages.isEmpty)
        }
    }

    @Test func `Names that look like HTML are shown as text`() async throws {
        let cluster = PageCluster("<b>c</b>")
        let names = [
            "<img src=x onerror=document.title='taken'>", "</script><script>document.title='taken'</script>",
            String(repeating: "a", count: 200),
        ]
        cluster.send { snapshot in
            snapshot.loseMember()
            for index in 0..<3 { snapshot.members[index].name = names[index] }
            snapshot.findings[0].summary = names[1]
        }
        try await Self.serving([cluster, PageCluster("other")]) { address in
            let browser = try await Browser(address, width: 360)
            defer { browser.close() }
            #expect(try await browser.sees("document.querySelectorAll('#members tbody tr').length === 3"))
            let text = try await browser.text()
            #expect(names.allSatisfy(text.contains) && text.contains("<b>c</b>"))
            #expect(try await browser.value(of: "document.querySelectorAll('img, b').length") == "0")
            #expect(try await browser.value(of: "document.scripts.length") == "1")
            #expect(try await browser.value(of: "document.documentElement.scrollWidth") == "360")
            #expect(browser.messages.isEmpty)

            try await browser.value(of: "document.querySelector('#clusters button[data-cluster=other]').click()")
            #expect(try await browser.sees("document.title === 'Healthy – other – etcd monitor'"))
        }
    }

    @Test func `The page marks stale data, and recovers by itself`() async throws {
        let cluster = PageCluster()
        cluster.send { $0.intervalSeconds = 0.2 }
        try await Self.serving([cluster]) { address in
            let browser = try await Browser(address)
            defer { browser.close() }
            let banner = "document.getElementById('banner')"
            #expect(try await browser.sees("document.body.matches('.stale') && !\(banner).hidden"))
            #expect(try await browser.text().contains("sends no new data. The figures are from"))
            cluster.send { $0.intervalSeconds = 60 }
            #expect(try await browser.sees("document.body.matches('.live') && \(banner).hidden"))
            #expect(browser.messages.isEmpty)

            cluster.end()
            let trouble = "document.getElementById('trouble').textContent"
            #expect(try await browser.sees("\(trouble).includes('closed the connection')"))
            #expect(try await browser.sees("document.body.matches('.live')"))
            #expect(browser.messages.isEmpty)
        }
    }

    @Test func `The page asks for a token, and again if the token is wrong`() async throws {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("a-token-that-is-long-enough")]
        try await Self.serving([PageCluster()], options) { address in
            let browser = try await Browser(address)
            defer { browser.close() }
            for (note, token) in [("", "wrong"), ("The token was not accepted.", "a-token-that-is-long-enough")] {
                let isAsked = "document.getElementById('login-note').textContent === '\(note)'"
                #expect(try await browser.sees("document.getElementById('login').open && \(isAsked)"))
                try await browser.value(of: "document.getElementById('token').value = '\(token)'")
                try await browser.value(of: "document.getElementById('login-form').requestSubmit()")
            }
            #expect(try await browser.sees("document.title.startsWith('Healthy')"))
            // The browser itself notes the two refusals; the page writes nothing.
            #expect(browser.messages.allSatisfy { $0.contains("401") })
        }
    }

    @Test(arguments: zip([360, 1280], ["dark", "light"]))
    func `An administrator silences an alert, and ends the silence`(width: Int, scheme: String) async throws {
        let (alerts, cluster) = (FakeAlerts.ofPage(), PageCluster())
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("reader's"), APIToken("administrator's", role: .admin, name: "ops")]
        try await Self.serving([cluster], options, alerts: alerts) { address in
            let browser = try await Browser(address, width: width, scheme: scheme)
            defer { browser.close() }
            try await Self.giveToken("reader's", browser)
            #expect(try await browser.sees("document.querySelectorAll('#open-alerts tbody tr').length === 3"))
            var text = try await browser.text()
            #expect(text.contains("EtcdMemberDown · etcd-1") && text.contains("maintenance night"))
            #expect(text.contains("Resolved alerts") && text.contains("Something is wrong: EtcdSlowFsync."))
            #expect(text.contains("fails\nstatus 500") && text.contains("4 attempts failed"))
            #expect(!text.contains("Silences"))

            // The conditions are the alert's labels; a condition that is not checked does not count.
            try await browser.value(of: "document.querySelector('#open-alerts button').click()")
            #expect(try await browser.sees("document.getElementById('silence').open"))
            let values = "[...document.querySelectorAll('#conditions [data-name]')].map(i => i.value).join()"
            #expect(try await browser.value(of: values) == "EtcdMemberDown,prod,some-code,a1")
            try await browser.value(of: "document.querySelectorAll('#conditions [type=checkbox]')[2].click()")
            let isReasonFocused = "document.activeElement.id === 'silence-comment'"
            #expect(try await browser.value(of: isReasonFocused) == "1")
            try await browser.value(of: "document.getElementById('silence-form').requestSubmit()")
            #expect(try await browser.value(of: "document.getElementById('login').open") == "0")
            try await Self.fill("silence-comment", "A new disk <b>comes</b>.", browser)
            try await browser.value(of: "document.getElementById('silence-form').requestSubmit()")

            // The reader's token is not enough, and after a wrong token the page asks again.
            #expect(try await browser.sees("document.getElementById('login').open"))
            #expect(try await browser.text().contains("This needs a token with the role admin."))
            #expect(alerts.silences.isEmpty)
            try await Self.giveToken("wrong", browser)
            #expect(try await browser.sees("\(Self.note("login")).includes('not accepted')"))
            try await Self.giveToken("administrator's", browser)
            #expect(try await browser.sees("document.querySelectorAll('#silences tbody tr').length === 1"))
            let silence = try #require(alerts.silences.first)
            #expect(silence.matchers.map(\.value) == ["EtcdMemberDown", "prod", "a1"] && silence.createdBy == "ops")
            #expect(abs(silence.endsAt.timeIntervalSinceNow - 3600) < 60)
            text = try await browser.text()
            #expect(text.contains("alertname = EtcdMemberDown, cluster = prod, member = a1"))
            #expect(text.contains("A new disk <b>comes</b>.") && text.contains("silence of ops"))
            #expect(try await browser.value(of: "document.getElementById('silence').open") == "0")
            #expect(try await browser.value(of: "document.documentElement.scrollWidth") == "\(width)")

            // The end takes a second click, and no second token.
            try await browser.value(of: "document.querySelector('#silences button').click()")
            #expect(try await browser.sees("document.getElementById('ending').open"))
            #expect(alerts.silences.first?.state(at: Date()) == .active)
            try await browser.value(of: "document.getElementById('ending-form').requestSubmit()")
            #expect(try await browser.sees("document.getElementById('silenced').hidden"))
            #expect(alerts.silences.first?.state(at: Date()) == .expired)
            #expect(alerts.auditRecords.map(\.actor) == ["ops", "ops", "read"])
            // The browser itself notes refusals; the page writes nothing.
            #expect(browser.messages.allSatisfy { $0.contains("401") || $0.contains("403") }, "\(browser.messages)")
        }
    }

    @Test func `A silence can last until a given time, and a refusal keeps the dialog with its input`() async throws {
        let alerts = FakeAlerts.ofPage()
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("administrator's", role: .admin)]
        try await Self.serving([PageCluster()], options, alerts: alerts) { address in
            let browser = try await Browser(address)
            defer { browser.close() }
            try await Self.giveToken("administrator's", browser)
            #expect(try await browser.sees("document.querySelectorAll('#open-alerts tbody tr').length === 3"))
            try await browser.value(of: "document.querySelectorAll('#open-alerts button')[1].click()")
            try await Self.fill("silence-for", "", browser)
            #expect(try await browser.sees("!document.getElementById('silence-end').hidden"))
            try await Self.fill("silence-until", "2020-01-01T12:00", browser)
            try await Self.fill("silence-comment", "Later.", browser)
            try await Self.fill("silence-author", "Anna", browser)
            try await browser.value(of: "document.getElementById('silence-form').requestSubmit()")
            #expect(try await browser.sees("\(Self.note("silence")).includes('endsAt: must be after the start')"))
            #expect(try await browser.value(of: "document.getElementById('silence-comment').value") == "Later.")
            let tomorrow =
                "new Date(Date.now() + 864e5 - new Date().getTimezoneOffset() * 6e4).toISOString().slice(0, 16)"
            try await browser.value(of: "document.getElementById('silence-until').value = \(tomorrow)")
            try await browser.value(of: "document.getElementById('silence-form').requestSubmit()")
            #expect(try await browser.sees("document.querySelectorAll('#silences tbody tr').length === 1"))
            let silence = try #require(alerts.silences.first)
            #expect(silence.createdBy == "Anna" && abs(silence.endsAt.timeIntervalSinceNow - 86_400) < 120)
        }
    }

    @Test func `Without a role for changes there are no buttons, and HTML in alerts is shown as text`() async throws {
        let (alerts, cluster) = (FakeAlerts.ofPage(), PageCluster("<i>c</i>"))
        let hostile = "<img src=x onerror=document.title='taken'></script><script>document.title='taken'</script>"
        alerts.change { state in
            var labels = ["member": hostile, "subject": String(repeating: "b", count: 300)]
            labels[hostile] = hostile
            var match = AlertRule.Match(labels: labels, summary: hostile, description: hostile, runbook: "javascript:0")
            state.alerts = [Alert(hostile, cluster: cluster.name, match, severity: .critical, since: Date())]
            match.summary = String(repeating: "c", count: 300)
            state.history = [Alert(hostile, cluster: cluster.name, match, severity: .info, since: Date())]
            state.history[0].resolvedAt = Date()
            state.silences = [
                Silence([AlertMatcher(hostile, hostile)], endsAt: Date() + 60, createdBy: hostile, comment: hostile)
            ]
            state.channelReports = [ChannelReport(name: hostile, kind: hostile)]
            (state.channelReports[0].failuresInARow, state.channelReports[0].lastError) = (1, hostile)
            state.reason = hostile
        }
        try await Self.serving([cluster], alerts: alerts) { address in
            let browser = try await Browser(address, width: 360)
            defer { browser.close() }
            #expect(try await browser.sees("document.querySelectorAll('#open-alerts tbody tr').length === 1"))
            let text = try await browser.text()
            #expect(text.components(separatedBy: hostile).count > 10 && text.contains("--api-admin-token-file"))
            #expect(try await browser.value(of: "document.querySelectorAll('img, i, a[href^=java]').length") == "0")
            #expect(try await browser.value(of: "document.querySelectorAll('#alerts button').length") == "0")
            #expect(try await browser.value(of: "document.scripts.length") == "1")
            #expect(try await browser.value(of: "document.documentElement.scrollWidth") == "360")

            // The alerts follow the snapshots.
            alerts.change { $0.alerts = [] }
            cluster.send { _ in }
            #expect(
                try await browser.sees("document.getElementById('open-alerts').innerText === 'There are no alerts.'")
            )
            #expect(browser.messages.isEmpty, "\(browser.messages)")
        }
    }

    private static func note(_ dialog: String) -> String { "document.getElementById('\(dialog)-note').textContent" }

    /// Puts a value into a field, as a person does.
    private static func fill(_ field: String, _ value: String, _ browser: Browser) async throws {
        let element = "document.getElementById('\(field)')"
        try await browser.value(of: "\(element).value = '\(value)'; \(element).dispatchEvent(new Event('change'))")
    }

    /// Answers the question for a token.
    private static func giveToken(_ token: String, _ browser: Browser) async throws {
        #expect(try await browser.sees("document.getElementById('login').open"))
        try await browser.value(of: "document.getElementById('token').value = \"\(token)\"")
        try await browser.value(of: "document.getElementById('login-form').requestSubmit()")
    }

    /// Serves the page and the API of some clusters while the body runs.
    private static func serving(
        _ clusters: [PageCluster],
        _ options: MonitorAPI.Options = .init(),
        alerts: (any AlertSource)? = nil,
        _ body: (String) async throws -> Void
    ) async throws {
        let api = MonitorAPI(of: clusters, alerts: alerts, options)
        let (ports, listening) = AsyncStream.makeStream(of: UInt16.self)
        let server = HTTPServer { await api.respond(to: $0) }
        let task = Task { try await server.run { listening.yield($0) } }
        defer { task.cancel() }
        var port = ports.makeAsyncIterator()
        try await body("http://127.0.0.1:\(try #require(await port.next()))/")
    }
}

/// A cluster whose snapshots the test sends.
private final class PageCluster: MonitoredCluster {
    let name: String
    let isLive = true
    let benchmarks: any BenchmarkSource = FakeBenchmarks([])
    private let state: Lock<(newest: MonitorSnapshot, listeners: [AsyncStream<MonitorSnapshot>.Continuation])>

    init(_ name: String = "prod") {
        self.name = name
        state = Lock((MonitorSnapshot.ofThree(name), []))
    }

    var snapshot: MonitorSnapshot { state.withLock { $0.newest } }
    var snapshots: AsyncStream<MonitorSnapshot> {
        let (stream, continuation) = AsyncStream.makeStream(of: MonitorSnapshot.self)
        state.withLock { $0.listeners.append(continuation) }
        return stream
    }
    var historyMetrics: [String] { snapshot.members.map { "member/\($0.id)/fsync_p99_seconds" } }

    func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point] {
        (1...60).map { MetricsHistory.Point(time: to - Double($0 * 10), mean: 0.003, minimum: 0.002, maximum: 0.005) }
    }

    func send(_ change: (inout MonitorSnapshot) -> Void) {
        state.withLock { state in
            state.newest.poll += 1
            change(&state.newest)
            for listener in state.listeners { listener.yield(state.newest) }
        }
    }

    /// Ends all streams of snapshots.
    func end() {
        state.withLock { state in
            for listener in state.listeners { listener.finish() }
            state.listeners = []
        }
    }
}

extension FakeAlerts {
    /// Alerts of the cluster of the page, and no silence.
    fileprivate static func ofPage() -> FakeAlerts {
        var state = State.sample("prod")
        (state.silences, state.auditRecords) = ([], [])
        let first = AlertRule.Match(labels: ["member": "a1", "code": "some-code"], summary: "etcd-1 is down.")
        state.alerts[0] = Alert("EtcdMemberDown", cluster: "prod", first, severity: .critical, since: Date() - 90)
        state.alerts[0].state = .firing
        return FakeAlerts(state)
    }
}

extension MonitorSnapshot {
    fileprivate static func ofThree(_ cluster: String) -> MonitorSnapshot {
        var snapshot = MonitorSnapshot()
        snapshot.cluster = cluster
        (snapshot.poll, snapshot.time, snapshot.intervalSeconds) = (1, Date(), 60)
        snapshot.verdict = .ok
        (snapshot.quorum.state, snapshot.quorum.voters, snapshot.quorum.healthyVoters) = (.available, 3, 3)
        snapshot.members = (0..<3).map { index in
            var member = MemberSnapshot()
            (member.id, member.name, member.verdict, member.version) = ("a\(index)", "etcd-\(index)", .ok, "3.5.30")
            member.metrics = [
                .databaseBytes: 25_165_824, .fsyncP99Seconds: 0.003, .requestsPerSecond: 1500,
                .linearizableReadSeconds: 0.001,
            ]
            return member
        }
        return snapshot
    }

    fileprivate mutating func loseMember() {
        verdict = .critical
        quorum.healthyVoters = 2
        members[2].verdict = .critical
        members[2].probes["status"] = ProbeResult(failure: ProbeFailure(.refused, "connection refused"))
        members[2].metrics = [:]
        let id = Finding.ID(.memberDown, "a2")
        findings = [
            Finding(id, .critical, "etcd-2 is down.", since: time - 90, evidence: ["silentSeconds": 90])
        ]
    }
}
