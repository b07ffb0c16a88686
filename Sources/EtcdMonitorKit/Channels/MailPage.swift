// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The default text of a mail, from which the plain text and the HTML are made.
struct MailPage {
    /// The largest number of alerts that are shown; the others are only counted.
    private static let sectionLimit = 30

    /// An alert.
    struct Section {
        /// Its severity and the reason, such as `Critical, still firing`.
        let mark: String
        /// The style: the severity, or `resolved`.
        let style: String
        let summary: String
        let time: String
        let description: String
        /// Labels and figures.
        let facts: [(name: String, value: String)]
        let runbook: String?
    }

    let cluster: String
    let introduction: String?
    let sections: [Section]
    let closing: [String]
    let monitor: String?

    init(_ notification: AlertNotification) {
        cluster = notification.cluster.oneLine.cut(to: 200)
        introduction = notification.isTest ? "This is a test of the channel. Nothing has happened." : nil
        sections = notification.items.prefix(Self.sectionLimit).map { Section($0, at: notification.time) }
        var closing: [String] = []
        let left = notification.items.count - sections.count
        if left > 0 { closing.append("This mail leaves out \(left) further alert\(left == 1 ? "" : "s").") }
        switch notification.openCount {
        case ...0: if !notification.isTest { closing.append("No alert of \(cluster) is firing now.") }
        case 1: closing.append("1 alert of \(cluster) is firing now.")
        default: closing.append("\(notification.openCount) alerts of \(cluster) are firing now.")
        }
        closing.append(
            "Sent at \(MailFigure.moment(notification.time)) by the channel \(notification.channel.oneLine.cut(to: 2000))."
        )
        self.closing = closing
        monitor = notification.externalURL?.oneLine.cut(to: 2000)
    }

    /// The plain text.
    var text: String {
        var blocks = introduction.map { [$0] } ?? []
        for section in sections {
            var lines = ["\(section.mark.uppercased()) · \(cluster)", section.summary, section.time]
            if !section.description.isEmpty { lines += ["", section.description] }
            if !section.facts.isEmpty { lines += [""] + section.facts.map { "\($0.name): \($0.value)" } }
            if let runbook = section.runbook { lines += ["", "Runbook: \(runbook)"] }
            blocks.append(lines.joined(separator: "\n"))
        }
        let end = closing + (monitor.map { ["Monitor: \($0)"] } ?? [])
        // Mail programs show the text after these dashes as less important.
        return blocks.joined(separator: "\n\n\n") + "\n\n-- \n" + end.joined(separator: "\n") + "\n"
    }
}

extension MailPage.Section {
    fileprivate init(_ item: AlertNotification.Item, at now: Date) {
        let alert = item.alert
        let isOver = item.reason == .resolved
        let severity = alert.severity.rawValue.capitalized
        switch item.reason {
        case .fired: mark = severity
        case .changed: mark = (alert.pastSeverities.max()?.rawValue).map { "\(severity), was \($0)" } ?? severity
        case .repeated: mark = "\(severity), still firing"
        case .resolved: mark = "Resolved"
        case .test: mark = "Test"
        }
        style = isOver ? "resolved" : alert.severity.rawValue
        summary = alert.summary.oneLine.cut(to: 500)
        let end = isOver ? alert.resolvedAt ?? now : now
        let seconds = end.timeIntervalSince(alert.activeSince)
        let length = seconds >= 1 && seconds.isFinite ? " (\(MailFigure.seconds(seconds.rounded())))" : ""
        let start = MailFigure.moment(alert.activeSince)
        time = isOver ? "From \(start) until \(MailFigure.moment(end))\(length)" : "Since \(start)\(length)"
        // A resolved alert needs no advice.
        description = isOver ? "" : alert.description.oneLine.cut(to: 2000)
        facts = Self.facts(alert)
        runbook = alert.runbook?.oneLine.cut(to: 2000)
    }

    /// The name, the labels that identify it, and the figures; at most 20 of each.
    private static func facts(_ alert: Alert) -> [(name: String, value: String)] {
        let hidden: Set = ["alertname", "cluster", "code"]
        let labels = alert.labels.filter { !hidden.contains($0.key) }.sorted { $0.key < $1.key }.prefix(20)
        let figures = alert.figures.sorted { $0.key < $1.key }.prefix(20)
        return [("alert", alert.name.oneLine.cut(to: 200))]
            + labels.map { ($0.key.oneLine.cut(to: 60), $0.value.oneLine.cut(to: 200)) }
            + figures.map { MailFigure.text($0.key.oneLine.cut(to: 60), $0.value) }
    }
}
