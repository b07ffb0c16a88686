// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// A center whose alerts the test makes; it treats silences like the real one.
final class FakeAlerts: AlertSource {
    struct State: Sendable {
        var alerts: [Alert] = []
        var history: [Alert] = []
        var channelReports: [ChannelReport] = []
        var silences: [Silence] = []
        var auditRecords: [AuditRecord] = []
        var reason: String?
    }

    private let state: Lock<State>

    init(_ state: State = .sample()) { self.state = Lock(state) }

    var alerts: [Alert] { state.withLock { $0.alerts } }
    var history: [Alert] { state.withLock { $0.history } }
    var channelReports: [ChannelReport] { state.withLock { $0.channelReports } }
    var silences: [Silence] { state.withLock { $0.silences } }
    var auditRecords: [AuditRecord] { state.withLock { $0.auditRecords } }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    func reasonForSilence(of alert: Alert) -> String? {
        let now = Date()
        let silence = silences.first { $0.state(at: now) == .active && $0.matchers.match(alert) }
        return silence.map { "silence \($0.id)" } ?? state.withLock { $0.reason }
    }

    func add(_ silence: Silence, by actor: String) throws(EtcdError) {
        if silence.matchers.allSatisfy({ $0.value == "*" }) {
            throw EtcdError(.invalidArgument, "matchers: they match everything")
        }
        change { state in
            state.silences.insert(silence, at: 0)
            let detail = silence.comment
            state.auditRecords.insert(
                AuditRecord(actor: actor, action: "silence.add", subject: silence.id, detail: detail),
                at: 0
            )
        }
    }

    func endSilence(_ id: Silence.ID, by actor: String) throws(EtcdError) {
        let isThere = state.withLock { state in
            let now = Date()
            let index = state.silences.firstIndex { $0.id == id && $0.state(at: now) != .expired }
            guard let index else { return false }
            state.silences[index].endsAt = now
            state.auditRecords.insert(
                AuditRecord(actor: actor, action: "silence.end", subject: id, detail: "it was ended"),
                at: 0
            )
            return true
        }
        if !isThere { throw EtcdError(.invalidArgument, "there is no silence \(id) that has not ended") }
    }

    func record(_ record: AuditRecord) { change { $0.auditRecords.insert(record, at: 0) } }
}

extension FakeAlerts.State {
    /// Two alerts that fire, one that is pending and one that is over, of the cluster `main`.
    static func sample(_ cluster: String = "main") -> FakeAlerts.State {
        let time = Date(timeIntervalSince1970: 1_700_000_000.25)
        var (down, keys) = (
            Alert.sample("EtcdMemberDown", cluster, .critical, time), Alert.sample("Keys", cluster, .info, time)
        )
        (down.state, down.firingSince) = (.firing, time + 10)
        (keys.state, keys.firingSince) = (.firing, time)
        var over = Alert.sample("EtcdSlowFsync", cluster, .warning, time - 7200)
        (over.state, over.firingSince, over.resolvedAt) = (.resolved, time - 7100, time - 3600)
        var (mail, chat) = (ChannelReport(name: "mail", kind: "smtp"), ChannelReport(name: "chat", kind: "slack"))
        (mail.delivered, mail.lastSuccess, mail.openAlerts) = (12, time, 2)
        (chat.failed, chat.failuresInARow, chat.waitingAlerts, chat.lastSuccess) = (4, 3, 2, time - 60)
        chat.lastError = "status 500"
        return FakeAlerts.State(
            alerts: [down, .sample("EtcdSlowCommit", cluster, .warning, time), keys],
            history: [over],
            channelReports: [chat, mail],
            silences: [.sample],
            auditRecords: [
                AuditRecord(time: time, actor: "ops", action: "silence.add", subject: "1", detail: "It was.")
            ],
            reason: "maintenance night"
        )
    }
}

extension Alert {
    static func sample(_ name: String, _ cluster: String, _ severity: AlertSeverity, _ since: Date) -> Alert {
        let labels = name.hasPrefix("Etcd") ? ["member": "1", "code": "some-code"] : [:]
        let match = AlertRule.Match(
            labels: labels,
            summary: "Something is wrong: \(name).",
            description: "It means something.",
            runbook: "Docs/Monitoring.md#some-code",
            figures: ["p99_seconds": 0.2]
        )
        return Alert(name, cluster: cluster, match, severity: severity, since: since)
    }
}

extension Silence {
    /// One that lasts for an hour of every test.
    static let sample = Silence(
        [AlertMatcher("alertname", "Another*"), AlertMatcher("member", "2", isEqual: false)],
        endsAt: Date() + 3600,
        createdBy: "ops",
        comment: "It is known."
    )
}

extension Route {
    /// A request that succeeds.
    func sample(_ authorization: String? = nil) -> HTTPRequest {
        let query = parameters.contains("metric") ? ["metric": "database_bytes"] : [:]
        let isOfBenchmarks = path.hasPrefix("/api/v1/performance/")
        let id = isOfBenchmarks ? BenchmarkRuns.Run.sample.id : Silence.sample.id
        var request = HTTPRequest(method, path.replacing("{id}", with: id), query: query)
        request.headers["Authorization"] = authorization
        if method == "POST" {
            request.headers["Content-Type"] = "application/json"
            let silence = #"{"matchers":[{"name":"alertname","value":"X"}],"duration":"2h","comment":"It is known."}"#
            request.body = Array((isOfBenchmarks ? #"{"type":"read"}"# : silence).utf8)
        }
        return request
    }

    /// The status of the answer to such a request.
    var success: Int {
        switch method {
        case "POST": path.hasPrefix("/api/v1/performance/") ? 202 : 201
        case "DELETE": 204
        default: 200
        }
    }
}
