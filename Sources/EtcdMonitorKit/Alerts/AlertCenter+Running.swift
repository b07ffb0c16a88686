// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension AlertCenter {
    /// What changes while the center runs.
    struct Core: Sendable {
        var engine: AlertEngine
        /// In the order of the channels' names.
        var reports: [ChannelReport]
        var isRunning = false
        /// The state file, as long as the center runs.
        var file: AlertStateFile?
    }

    /// The next step of a channel.
    struct Step: Sendable {
        var news: AlertNews?
        /// How long nothing is to be told if nothing changes.
        var wait: Duration
    }

    // MARK: Evaluation

    func evaluateAgainAndAgain() async {
        while !Task.isCancelled {
            evaluate()
            await bell.wait(for: options.interval)
        }
    }

    /// Evaluates the rules once.
    func evaluate() {
        let snapshots = clusters.map { cluster in
            var snapshot = cluster.snapshot
            snapshot.cluster = cluster.name
            return snapshot
        }
        // Rules are the user's code, which runs outside of the lock.
        let sightings = AlertEngine.sightings(of: options.rules, in: snapshots)
        let now = now()
        let changes = core.withLock { core in
            let failures = core.reports.filter { $0.failuresInARow > 0 }.map { report in
                AlertEngine.ChannelFailure(
                    channel: report.name,
                    attempts: report.failuresInARow,
                    reason: report.lastError ?? ""
                )
            }
            return core.engine.evaluate(sightings + [AlertEngine.sighting(of: failures)], now: now)
        }
        for alert in changes { options.onEvent?(.changed(alert)) }
        // A message gets the same identity after a restart only if its alerts were saved before it was sent.
        save()
        ringWorkers()
    }

    private func ringWorkers() {
        for worker in workers { worker.bell.ring() }
    }

    // MARK: Channels

    /// The next step of a channel, after an attempt to tell it about a cluster.
    func plan(for channel: String, after cluster: String?) -> Step {
        let now = now()
        let plan = core.withLock { $0.engine.plan(for: channel, after: cluster, now: now) }
        // The clock may be set; each evaluation rings anyway.
        let wait = plan.next.map { Duration.seconds(min(3600, max(0.001, $0.timeIntervalSince(now)))) }
        return Step(news: plan.news, wait: wait ?? .seconds(3600))
    }

    func noteAttempt(of news: AlertNews) {
        core.withLock { $0.engine.markAttempt(news) }
        save()
    }

    /// Notes that an attempt was cut short.
    func noteEnd(of news: AlertNews) {
        core.withLock { $0.engine.markFailure(news, mayHaveArrived: true) }
    }

    func noteDelivery(of news: AlertNews, answer: String) {
        let now = now()
        let channel = news.notification.channel
        core.withLock { core in
            core.engine.markDelivered(news, now: now)
            core.change(channel) { report in
                report.delivered += 1
                report.failuresInARow = 0
                report.lastSuccess = now
                report.lastError = nil
            }
        }
        save()
        options.onEvent?(.delivered(channel: channel, news.notification, answer: answer))
    }

    func noteFailure(of news: AlertNews, _ error: AlertChannelError) {
        let channel = news.notification.channel
        core.withLock { core in
            core.engine.markFailure(news, mayHaveArrived: error.mayHaveArrived)
            core.change(channel) { report in
                report.failed += 1
                report.failuresInARow += 1
                report.lastError = error.message
            }
        }
        options.onEvent?(.failed(channel: channel, news.notification, reason: error.message))
    }

    /// A notification that says that it is a trial.
    func trial(of channel: String) -> AlertNotification {
        let now = now()
        let cluster = clusters.first?.name ?? AlertEngine.ownCluster
        let match = AlertRule.Match(
            summary: "This is a trial of the channel \(channel)",
            description: "Nothing is wrong. Someone has asked the monitor to send this message."
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

    func noteAudit(_ record: AuditRecord) {
        save()
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

    /// Writes the state if it has changed since it was written.
    func save() {
        guard let file = core.withLock({ $0.file }) else { return }
        let problem = file.save { self.core.withLock { ($0.engine.revision, $0.engine.saved) } }
        if let problem { options.onEvent?(.stateNotSaved(reason: problem)) }
    }
}

extension AlertCenter.Core {
    fileprivate mutating func change(_ channel: String, _ body: (inout ChannelReport) -> Void) {
        if let place = reports.firstIndex(where: { $0.name == channel }) { body(&reports[place]) }
    }
}
