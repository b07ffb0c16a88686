// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

/// A cluster whose findings the test sets.
final class StagedCluster: MonitoredCluster {
    let name: String
    private let news = LatestValue<MonitorSnapshot>()

    init(_ name: String = "main") {
        self.name = name
        set([])
    }

    var snapshot: MonitorSnapshot { news.newest ?? MonitorSnapshot() }
    var snapshots: AsyncStream<MonitorSnapshot> { news.listen() }
    var isLive: Bool { true }
    var benchmarks: any BenchmarkSource { FakeBenchmarks([]) }
    var historyMetrics: [String] { [] }

    func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point] { [] }

    /// A new poll finds these members down.
    func set(_ members: [UInt64], _ verdict: Verdict = .degraded) {
        var snapshot = MonitorSnapshot.sample(name, poll: (news.newest?.poll ?? 100) + 1)
        snapshot.findings = members.map { member in
            Finding(
                .init(.memberDown, "\(member)"),
                verdict,
                "Member \(member) is down",
                memberID: Member.ID(rawValue: member),
                since: snapshot.time
            )
        }
        news.send(snapshot)
    }
}

/// A channel that does what the test says.
final class StagedChannel: AlertChannel {
    enum Behaviour: Sendable {
        case takes
        case fails(AlertChannelError)
        case takesLong(Duration)
        /// It does something before it takes a notification.
        case does(@Sendable () -> Void)
        case hangs
    }

    let kind = "staged"
    let delivery: AlertDelivery
    private let state: Lock<(behaviour: Behaviour, receiver: AlertReceiver, attempts: [ContinuousClock.Instant])>

    init(_ behaviour: Behaviour = .takes, delivery: AlertDelivery = AlertDelivery()) {
        self.delivery = delivery
        state = Lock((behaviour, AlertReceiver(delivery: delivery), []))
    }

    var receiver: AlertReceiver { state.withLock { $0.receiver } }
    var attempts: [ContinuousClock.Instant] { state.withLock { $0.attempts } }

    func become(_ behaviour: Behaviour) { state.withLock { $0.behaviour = behaviour } }

    func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let behaviour = state.withLock { state in
            state.attempts.append(.now)
            return state.behaviour
        }
        switch behaviour {
        case .takes: break
        case .fails(let error): throw error
        case .takesLong(let duration): await Task.pause(for: duration)
        case .does(let action): action()
        case .hangs:
            await Task.pause(for: .seconds(3600))
            throw AlertChannelError("given up")
        }
        state.withLock { $0.receiver.receive(notification, notification.time) }
        return "taken\r\nby the test"
    }
}

/// The events of a center.
final class EventLog: Sendable {
    private let state = Lock<[AlertCenter.Event]>([])

    var all: [AlertCenter.Event] { state.withLock { $0 } }

    func append(_ event: AlertCenter.Event) { state.withLock { $0.append(event) } }
}

extension AlertCenter {
    /// A center over staged clusters and channels that is quick.
    static func staged(
        _ clusters: [StagedCluster],
        _ channels: [String: StagedChannel],
        sendLimit: Duration = .seconds(60),
        _ change: (inout Options) -> Void = { _ in },
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws -> AlertCenter {
        var options = Options()
        options.rules = [.finding(.memberDown)]
        options.inhibitions = []
        options.interval = .milliseconds(50)
        options.groupWait = .zero
        options.groupInterval = .zero
        options.retry = .milliseconds(20)...(.milliseconds(50))
        options.restartGrace = .zero
        change(&options)
        return try AlertCenter(of: clusters, channels: channels, options, sendLimit: sendLimit, now: now)
    }

    /// Runs the center while the body runs.
    func running(_ body: () async throws -> Void) async throws {
        let run = Task { try await self.run() }
        do {
            try await body()
        } catch {
            run.cancel()
            _ = await run.result
            throw error
        }
        run.cancel()
        try await run.value
    }
}

/// Lends the path of a state file in a folder of its own.
func withStateFile(_ body: (String) async throws -> Void) async throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("center-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    try await body("\(folder.path)/alerts.json")
}
