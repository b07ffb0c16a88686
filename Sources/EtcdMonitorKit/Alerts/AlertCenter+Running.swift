// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension AlertCenter {
    /// The mutable state of the center.
    struct Core: Sendable {
        var engine: AlertEngine
        /// In the order of the channel names.
        var reports: [ChannelReport]
        var isRunning = false
        /// The state file, while the center runs.
        var file: AlertStateFile?
    }

    /// The next step of a channel.
    struct Step: Sendable {
        var message: AlertMessage?
        /// How long there is nothing to send if nothing changes.
        var wait: Duration
    }

    // MARK: Evaluation

    func evaluateRepeatedly() async {
        while !Task.isCancelled {
            await evaluate()
            await bell.wait(for: options.interval)
        }
    }

    /// Evaluates the rules once.
    func evaluate() async {
        let snapshots = clusters.map { cluster in
            var snapshot = cluster.snapshot
            snapshot.cluster = cluster.name
            return snapshot
        }
        // Rules are user code, so they run outside the lock.
        let sightings = AlertEngine.sightings(of: options.rules, in: snapshots)
        let now = now()
        let changes = core.withLock { core in
            let failures = AlertEngine.sighting(of: core.failures(at: now))
            return core.engine.evaluate(sightings + [failures], now: now)
        }
        for alert in changes { options.onEvent?(.changed(alert)) }
        // A message keeps its identity over a restart only if its alerts were saved before it was sent.
        await save()
        ringWorkers()
    }

    private func ringWorkers() {
        for worker in workers { worker.bell.ring() }
    }

    // MARK: Channels

    /// The next step of a channel after an attempt to deliver a message about a cluster.
    ///
    /// Its message is recorded as an attempt.
    func beginStep(of channel: String, after cluster: String?) -> Step {
        let now = now()
        let plan = core.withLock { $0.engine.planAttempt(for: channel, after: cluster, now: now) }
        // The clock may be set; each evaluation wakes the worker anyway.
        let wait = plan.next.map { Duration.seconds(min(3600, max(0.001, $0.timeIntervalSince(now)))) }
        return Step(message: plan.message, wait: wait ?? .seconds(3600))
    }

    /// Records that an attempt was cancelled.
    func noteEnd(of message: AlertMessage, mayHaveArrived: Bool) {
        core.withLock { $0.engine.markFailure(message, mayHaveArrived: mayHaveArrived) }
    }

    func noteDelivery(of message: AlertMessage, answer: String) async {
        let now = now()
        let channel = message.notification.channel
        core.withLock { core in
            core.engine.markDelivered(message, now: now)
            core.change(channel) { report in
                report.delivered += 1
                report.failuresInARow = 0
                report.lastSuccess = now
                report.lastError = nil
            }
        }
        await save()
        options.onEvent?(.delivered(channel: channel, message.notification, answer: answer))
    }

    func noteFailure(of message: AlertMessage, _ error: AlertChannelError) async {
        let channel = message.notification.channel
        core.withLock { core in
            core.engine.markFailure(message, mayHaveArrived: error.mayHaveArrived)
            core.change(channel) { report in
                report.failed += 1
                report.failuresInARow += 1
                report.lastError = error.message
            }
        }
        // After a restart, an attempt that is still in the file may have arrived.
        await save()
        options.onEvent?(.failed(channel: channel, message.notification, reason: error.message))
    }

    /// A test notification, which says that it is one.
    func trial(of channel: String) -> AlertNotification {
        let now = now()
        let cluster = clusters.first?.name ?? AlertEngine.ownCluster
        let match = AlertRule.Match(
            summary: "This is a test of the channel \(channel)",
            description: "Nothing is wrong. A person asked the monitor to send this message."
        )
        var alert = Alert("EtcdMonitorTrial", cluster: cluster, match, severity: .info, since: now)
        alert.state = .firing
        alert.firingSince = now
        return AlertNotification(
            id: "trial-\(UUID().uuidString.lowercased())",
            channel: channel,
            cluster: cluster,
            items: [AlertNotification.Item(alert, .test)],
            openCount: 0,
            time: now,
            externalURL: options.externalURL
        )
    }

    func noteAudit(_ record: AuditRecord) async {
        await save()
        options.onEvent?(.audited(record))
        bell.ring()
    }

    // MARK: The state file

    func openStateFile() throws(EtcdError) {
        guard let path = options.stateFile else { return }
        let file = try AlertStateFile(path)
        let saved = try file.read()
        core.withLock { core in
            core.file = file
            if let saved { core.engine.restore(saved) }
        }
    }

    /// Writes the state if it has changed since the last write, on a thread of its own, because a disk may be slow.
    ///
    /// It waits for the end of the write even if the task is cancelled: another center may open the file then.
    func save() async {
        let isSaved = core.withLock { $0.file?.has($0.engine.revision) ?? true }
        if isSaved { return }
        let writing = Task { await offload { self.saveHere() } }
        // If no thread can be started, the caller's thread writes it.
        if await writing.value == nil { saveHere() }
    }

    /// Writes the state as ``save()`` does, on the caller's thread.
    private func saveHere() {
        guard let file = core.withLock({ $0.file }) else { return }
        let problem = file.save { written in
            core.withLock { $0.engine.revision == written ? nil : ($0.engine.revision, $0.engine.saved) }
        }
        if let problem { options.onEvent?(.stateNotSaved(reason: problem)) }
    }
}

extension AlertCenter.Core {
    /// The channels whose newest attempts failed and that still have something to deliver.
    fileprivate func failures(at now: Date) -> [AlertEngine.ChannelFailure] {
        reports.filter { $0.failuresInARow > 0 && engine.plan(for: $0.name, now: now).message != nil }.map { report in
            AlertEngine.ChannelFailure(
                channel: report.name,
                attempts: report.failuresInARow,
                reason: report.lastError ?? ""
            )
        }
    }

    fileprivate mutating func change(_ channel: String, _ body: (inout ChannelReport) -> Void) {
        if let place = reports.firstIndex(where: { $0.name == channel }) { body(&reports[place]) }
    }
}
