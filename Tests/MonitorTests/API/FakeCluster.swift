// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// A cluster whose snapshots the test makes.
struct FakeCluster: MonitoredCluster {
    var name = "main"
    var snapshot = MonitorSnapshot.sample()
    var snapshots = AsyncStream<MonitorSnapshot> { $0.finish() }
    var isLive = true
    var benchmarks: any BenchmarkSource = FakeBenchmarks()
    var historyMetrics = ["member/1/keys", "database_bytes"]

    /// One point that repeats the parameters of the request.
    func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point] {
        [MetricsHistory.Point(time: from, mean: to.timeIntervalSince(from), minimum: step / .seconds(1), maximum: 0)]
    }
}

extension MonitorSnapshot {
    /// A cluster of three members in which every field has a value.
    static func sample(_ cluster: String = "main", poll: Int = 7) -> MonitorSnapshot {
        let time = Date(timeIntervalSince1970: 1_700_000_000.25)
        var snapshot = MonitorSnapshot()
        snapshot.cluster = cluster
        snapshot.poll = poll
        snapshot.time = time
        snapshot.pollSeconds = 0.0125
        snapshot.intervalSeconds = 5
        snapshot.verdict = .degraded
        snapshot.clusterID = "cdf818194e3a8c32"
        snapshot.quorum.state = .available
        snapshot.quorum.voters = 3
        snapshot.quorum.healthyVoters = 3
        snapshot.leader = Leader(memberID: "1", name: "etcd-1", term: 4, since: time.addingTimeInterval(-60))
        snapshot.leaderHistory = [LeaderChange(time: time.addingTimeInterval(-60), from: "2", to: "1", term: 4)]
        snapshot.members = (1...3).map { .sample($0, time) }
        snapshot.links = [
            PeerLink(from: "1", to: "2", state: .alive), PeerLink(from: "2", to: "1", state: .silent),
            PeerLink(from: "2", to: "3", state: .unknown),
        ]
        snapshot.findings = [
            Finding(
                .init(.slowFsync, "1"),
                .degraded,
                "The disk of etcd-1 is slow.",
                memberID: Member.ID(rawValue: 1),
                since: time,
                evidence: ["p99_seconds": 0.2]
            )
        ]
        snapshot.metrics = [.databaseBytes: 1e6, .putsPerSecond: 12.5]
        var latency = LatencySummary(member: "1", probe: "status")
        latency.count = 100
        latency.p50Seconds = 0.001
        latency.p95Seconds = 0.002
        latency.p99Seconds = 0.003
        latency.maximumSeconds = 0.004
        snapshot.latency = [latency]
        snapshot.isAuthEnabled = true
        return snapshot
    }
}

extension MemberSnapshot {
    /// A member in good health in which every field has a value.
    static func sample(_ number: Int, _ time: Date) -> MemberSnapshot {
        var member = MemberSnapshot()
        member.id = "\(number)"
        member.name = "etcd-\(number)"
        member.endpoint = "https://10.0.0.\(number):2379"
        member.role = number == 1 ? .leader : .follower
        member.verdict = .ok
        member.probes = [
            "status": ProbeResult(seconds: 0.001),
            "metrics": ProbeResult(failure: ProbeFailure(.timedOut, "no answer within 1 s")),
        ]
        member.version = "3.5.30"
        member.raftTerm = 4
        member.raftIndex = 1000
        member.raftAppliedIndex = 999
        member.revision = 500
        member.compactRevision = 400
        member.compactedAt = time.addingTimeInterval(-60)
        member.usesTLS = true
        member.clockOffsetSeconds = 0.25
        member.certificates = [
            CertificateReading(
                subject: "CN=etcd-\(number)",
                role: .server,
                notAfter: time.addingTimeInterval(90 * 86_400)
            )
        ]
        member.metrics = [
            .databaseBytes: 1e6, .databaseInUseBytes: 9e5, .databaseQuotaBytes: 4_294_967_296, .quotaUsedRatio: 0.01,
            .fsyncP99Seconds: 0.002, .commitP99Seconds: 0.004, .peerRoundTripP99Seconds: 0.001, .openFiles: 50,
            .maximumOpenFiles: 65_536,
        ]
        return member
    }
}

extension MonitorAPI {
    /// The API over some clusters.
    static func over(
        _ clusters: FakeCluster...,
        alerts: (any AlertSource)? = nil,
        options: Options = Options()
    ) -> MonitorAPI {
        MonitorAPI(of: clusters, alerts: alerts, options)
    }

    /// Answers a request, whose body has an end.
    func text(_ request: HTTPRequest) async -> (status: Int, headers: HTTPHeaders, body: String) {
        let response = await respond(to: request)
        guard case .bytes(let bytes) = response.body else { return (response.status, response.headers, "a stream") }
        return (response.status, response.headers, String(decoding: bytes, as: UTF8.self))
    }

    /// Answers a request with a JSON object.
    func object(_ path: String, _ query: [String: String] = [:]) async throws -> [String: Any] {
        try await object(HTTPRequest("GET", path, query: query))
    }

    /// Answers a request with a JSON object.
    func object(_ request: HTTPRequest) async throws -> [String: Any] {
        let (_, _, body) = await text(request)
        return try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any] ?? [:]
    }
}
