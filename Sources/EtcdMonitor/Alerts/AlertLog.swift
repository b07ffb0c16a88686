// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation

/// Logs the deliveries of the channels, one line each.
///
/// Findings have their own log.
struct AlertLog: Sendable {
    let channels: [String: any AlertChannel]

    /// The line of an event; nil if the event is not worth a line.
    func line(for event: AlertCenter.Event) -> String? {
        switch event {
        case .changed: nil
        case .delivered(let name, let notification, let answer):
            isWorthALine(name, notification) ? "sent      \(name): \(text(of: notification)) (\(answer))" : nil
        case .failed(let name, let notification, let reason):
            "not sent  \(name): \(text(of: notification)) (\(reason))"
        case .stateNotSaved(let reason): "failed    the state of the alerts is not saved: \(reason)"
        case .audited(let record): "changed   \(record.action) \(record.subject) by \(record.actor): \(record.detail)"
        }
    }

    /// Whether a message is worth a line: it was not printed to the console, and is not only a periodic reminder.
    private func isWorthALine(_ name: String, _ notification: AlertNotification) -> Bool {
        guard let channel = channels[name] else { return true }
        if channel is ConsoleChannel { return false }
        guard let interval = channel.delivery.keepAlive else { return true }
        return notification.items.contains { item in
            switch item.reason {
            case .fired, .changed, .test: true
            case .repeated: false
            case .resolved:
                item.alert.resolvedAt.map { notification.time.timeIntervalSince($0) < interval / .seconds(1) } ?? true
            }
        }
    }

    /// The alerts of a message with their reasons, such as `prod: EtcdMemberDown fired`.
    private func text(of notification: AlertNotification) -> String {
        let shown = notification.items.prefix(5).map { "\($0.alert.name) \($0.reason.rawValue)" }
        let others = notification.items.count - shown.count
        let end = others > 0 ? " and \(others) more" : ""
        return "\(notification.cluster): \(shown.joined(separator: ", "))\(end)"
    }
}
