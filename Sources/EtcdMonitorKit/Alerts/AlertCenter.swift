// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// Notifies people of alerts: once, again after a while, and when they are resolved.
///
/// ```swift
/// let center = try AlertCenter([monitor], channels: ["ops": SlackChannel(url: .file("/run/secrets/slack"))])
/// async let alerting: Void = center.run()
/// ```
///
/// With a state file, a center continues after a restart where it ended. If it is killed after it has delivered a
/// notification and before it has recorded that, it sends the notification again, with the same
/// ``AlertNotification/id`` unless other changes have joined it. A receiver can use the identity to detect the
/// repetition. A channel that may know of an alert receives its resolution, even if no attempt to deliver the alert has
/// succeeded.
public final class AlertCenter: Sendable {
    /// The settings.
    public let options: Options
    let clusters: [any MonitoredCluster]
    let workers: [ChannelWorker]
    let core: Lock<Core>
    let now: @Sendable () -> Date
    /// Rings when the rules should be evaluated.
    let bell = Bell()

    /// Makes a center.
    ///
    /// It does nothing before ``run()``.
    ///
    /// - Parameters:
    ///   - monitors: The monitors of the clusters; their names differ.
    ///   - channels: The channels, by names that routes use.
    ///   - options: The rules, the routes and the times.
    /// - Throws: `EtcdError.Code.invalidArgument` for invalid options.
    public convenience init(
        _ monitors: [ClusterMonitor],
        channels: [String: any AlertChannel],
        _ options: Options = Options()
    ) throws(EtcdError) {
        try self.init(of: monitors, channels: channels, options)
    }

    init(
        of clusters: [any MonitoredCluster],
        channels: [String: any AlertChannel],
        _ options: Options,
        sendLimit: Duration = .seconds(120),
        now: @escaping @Sendable () -> Date = { Date() }
    ) throws(EtcdError) {
        let deliveries = channels.mapValues(\.delivery)
        let options = try options.checked(clusters: clusters.map(\.name), channels: deliveries)
        self.options = options
        self.clusters = clusters
        self.now = now
        workers = channels.sorted { $0.key < $1.key }.map { name, channel in
            ChannelWorker(name: name, channel: channel, retry: options.retry, limit: sendLimit)
        }
        core = Lock(
            Core(
                engine: AlertEngine(options, channels: deliveries),
                reports: workers.map { ChannelReport(name: $0.name, kind: $0.channel.kind) }
            )
        )
    }

    /// Evaluates the rules and notifies the channels, until the task is cancelled.
    ///
    /// - Throws: `EtcdError.Code.invalidArgument` if the center is already running, or if the state file is in use by
    ///   another center or cannot be read.
    public func run() async throws(EtcdError) {
        let isFirst = core.withLock { core in
            defer { core.isRunning = true }
            return !core.isRunning
        }
        guard isFirst else { throw EtcdError(.invalidArgument, "the alert center is already running") }
        defer {
            core.withLock { core in
                core.isRunning = false
                core.file = nil
            }
        }
        try openStateFile()
        await withTaskGroup { group in
            group.addTask { await self.evaluateRepeatedly() }
            for cluster in clusters {
                let snapshots = cluster.snapshots
                group.addTask {
                    for await _ in snapshots { self.bell.ring() }
                }
            }
            for worker in workers {
                group.addTask { await worker.run(for: self) }
            }
        }
        await save()
    }

    // MARK: Alerts and channels

    /// The alerts that are pending or firing, the worst first.
    public var alerts: [Alert] { core.withLock { $0.engine.openAlerts } }
    /// The resolved alerts, the newest first.
    public var history: [Alert] { core.withLock { $0.engine.history.reversed() } }

    /// The reason why an alert is muted, such as `silence 4f…`, `inhibited by EtcdQuorumLost` or `maintenance night`;
    /// nil if it is not.
    ///
    /// - Parameter alert: The alert.
    /// - Returns: The reason.
    public func reasonForSilence(of alert: Alert) -> String? {
        let engine = core.withLock { $0.engine }
        return engine.reasonForSilence(of: alert, alert.id, engine.mutes(at: now()))
    }

    /// The state of each channel, in the order of their names.
    public var channelReports: [ChannelReport] {
        let core = core.withLock { $0 }
        return core.reports.map { report in
            var report = report
            report.openAlerts = core.engine.openAlerts(for: report.name)
            report.waitingAlerts = core.engine.waitingAlerts(for: report.name, now: now())
            return report
        }
    }

    /// The changes that people made, the newest first.
    public var auditRecords: [AuditRecord] { core.withLock { $0.engine.auditRecords.reversed() } }

    /// Records a change, or an attempted change, that no other member records.
    func record(_ record: AuditRecord) async { await noteAudit(core.withLock { $0.engine.audit(record) }) }

    // MARK: Silences

    /// The silences, including recently expired ones, the newest first.
    public var silences: [Silence] { core.withLock { $0.engine.silences.reversed() } }

    /// Adds a silence, and waits until the state file has it.
    ///
    /// - Parameters:
    ///   - silence: The silence.
    ///   - actor: The author, for the audit log.
    /// - Throws: `EtcdError.Code.invalidArgument` for a silence that matches every alert, is expired, or has no reason.
    public func add(_ silence: Silence, by actor: String) async throws(EtcdError) {
        let now = now()
        let record = try core.withLock { core throws(EtcdError) in
            try core.engine.add(silence, by: actor, now: now)
        }
        await noteAudit(record)
    }

    /// Ends a silence now, and waits until the state file has the end.
    ///
    /// - Parameters:
    ///   - id: The identity of the silence.
    ///   - actor: The author, for the audit log.
    /// - Throws: `EtcdError.Code.invalidArgument` if it does not exist or has ended.
    public func endSilence(_ id: Silence.ID, by actor: String) async throws(EtcdError) {
        let now = now()
        let record = try core.withLock { core throws(EtcdError) in
            try core.engine.endSilence(id, by: actor, now: now)
        }
        await noteAudit(record)
    }

    // MARK: Tests of channels

    /// Sends a test notification, whether or not the center is running.
    ///
    /// - Parameter channel: The name of the channel.
    /// - Returns: The answer of the receiver.
    /// - Throws: ``AlertChannelError``, also if the channel does not exist.
    public func test(_ channel: String) async throws(AlertChannelError) -> String {
        guard let worker = workers.first(where: { $0.name == channel }) else {
            throw AlertChannelError("there is no channel \(channel.oneLine.cut(to: 100))", isPermanent: true)
        }
        return try await worker.send(trial(of: channel)).get()
    }
}
