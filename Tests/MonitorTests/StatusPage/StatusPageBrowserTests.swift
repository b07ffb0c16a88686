// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// Drives the page in a browser, with the API and the server that it has in use, and with clusters of the test's making.
@Suite(.enabled(if: Browser.path != nil, "Chromium is not installed"), .serialized, .timeLimit(.minutes(3)))
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
            #expect(!text.contains("Critical"))

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

    @Test func `The page says so when its data is stale, and recovers by itself`() async throws {
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
            #expect(try await browser.sees("document.getElementById('trouble').textContent.includes('has ended')"))
            #expect(try await browser.sees("document.body.matches('.live')"))
            #expect(browser.messages.isEmpty)
        }
    }

    @Test func `The page asks for a token, and again if it is not the right one`() async throws {
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

    /// Serves the page and the API of some clusters while the body runs.
    private static func serving(
        _ clusters: [PageCluster],
        _ options: MonitorAPI.Options = .init(),
        _ body: (String) async throws -> Void
    ) async throws {
        let api = MonitorAPI(of: clusters, options)
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
