// SPDX-License-Identifier: Apache-2.0

extension SlackChannel {
    /// The largest number of alerts in a message.
    ///
    /// Slack refuses some messages of more than 11,000 characters in total.
    private static let maximumAlerts = 10

    /// The default message.
    ///
    /// - Parameter notification: The notification.
    /// - Returns: A message with a header, a section for each of the first ten alerts, and the number of others.
    public static func message(for notification: AlertNotification) -> Message {
        let title = title(of: notification)
        let shown = notification.items.prefix(maximumAlerts)
        let first = notification.items.first.map { ": \($0.alert.summary)" } ?? ""
        var blocks = [Block.header(escaped("\(mark(of: notification)) \(title)", limit: 150))]
        blocks += shown.map { section(for: $0, at: notification) }
        var footer: [String] = []
        let rest = notification.items.count - shown.count
        if rest > 0 { footer.append("and \(rest) more") }
        let others = notification.openCount - notification.firing.count
        if others > 0 { footer.append("\(others) \(others == 1 ? "other fires" : "others fire") still") }
        if let page = notification.externalURL, let link = link(to: page, "Monitor") { footer.append(link) }
        if !footer.isEmpty { blocks.append(.context(footer)) }
        return Message(text: escaped("\(title)\(first)", limit: 500), blocks: blocks)
    }

    private static func title(of notification: AlertNotification) -> String {
        if notification.isTest { return "\(notification.cluster): test of the channel \(notification.channel)" }
        let (firing, resolved) = (notification.firing.count, notification.resolved.count)
        let parts = [firing > 0 ? "\(firing) firing" : nil, resolved > 0 ? "\(resolved) resolved" : nil]
        // The counts first, so that a long name cannot displace them.
        return "\(parts.compactMap(\.self).joined(separator: ", ")): \(notification.cluster)"
    }

    private static func section(for item: AlertNotification.Item, at notification: AlertNotification) -> Block {
        let alert = item.alert
        var text = "\(mark(item.reason, alert.severity)) *\(escaped(alert.name, limit: 80))*"
        text += " (\(words(for: item.reason)))\n\(escaped(alert.summary, limit: 200))"
        if !alert.description.isEmpty { text += "\n\(escaped(alert.description, limit: 200))" }
        if let runbook = alert.runbook {
            text += "\n\(link(to: runbook, "Runbook") ?? "Runbook: \(escaped(runbook, limit: 200))")"
        }
        let end = alert.resolvedAt.map { ["*Over since*\n\($0.rfc3339)"] } ?? []
        let since = "*Since*\n\((alert.firingSince ?? alert.activeSince).rfc3339)"
        return .section(text, fields: ["*Severity*\n\(alert.severity.rawValue)", since] + end)
    }

    private static func words(for reason: AlertNotification.Reason) -> String {
        switch reason {
        case .fired: "fires"
        case .changed: "has a new severity"
        case .repeated: "still fires"
        case .resolved: "is resolved"
        case .test: "is a test"
        }
    }

    private static func mark(of notification: AlertNotification) -> String {
        mark(notification.firing.isEmpty ? .resolved : .fired, notification.severity)
    }

    private static func mark(_ reason: AlertNotification.Reason, _ severity: AlertSeverity) -> String {
        if reason == .resolved { return "✅" }
        return switch severity {
        case .info: "🔵"
        case .warning: "🟠"
        case .critical: "🔴"
        }
    }

    /// A link, if the address is a URL for a browser and not too long.
    private static func link(to address: String, _ text: String) -> String? {
        guard address.isWebURL, address.utf16.count < 200 else { return nil }
        return "<\(escaped(address))|\(text)>"
    }
}
