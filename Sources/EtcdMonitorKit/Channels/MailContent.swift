// SPDX-License-Identifier: Apache-2.0

/// The text of a mail.
public struct MailContent: Sendable, Hashable {
    /// The subject; line breaks become spaces.
    public var subject: String
    /// The plain text.
    public var text: String
    /// The same text as an HTML page; nil for a mail of plain text alone.
    public var html: String?

    /// Makes the text of a mail.
    ///
    /// - Parameters:
    ///   - subject: The subject.
    ///   - text: The plain text.
    ///   - html: The same text as an HTML page, in which all external values are escaped.
    public init(subject: String, text: String, html: String? = nil) {
        self.subject = subject
        self.text = text
        self.html = html
    }

    /// Makes the default text.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    public init(_ notification: AlertNotification) {
        let page = MailPage(notification)
        self.init(subject: Self.subject(notification), text: page.text, html: page.html)
    }

    /// A subject such as `[CRITICAL] prod-eu: Member etcd-1 is down (+2 more)`.
    ///
    /// It is about the worst change. A mail without changes is a reminder.
    private static func subject(_ notification: AlertNotification) -> String {
        let items = notification.items
        let worst = { (reasons: Set<AlertNotification.Reason>) in
            items.filter { reasons.contains($0.reason) }.map(\.alert).max { $0.severity < $1.severity }
        }
        var (tag, alert, others, notes) = ("", items.first?.alert, items.count - 1, [String]())
        if notification.isTest {
            tag = "TEST"
        } else if let news = worst([.fired, .changed]) {
            (tag, alert) = (news.severity.rawValue.uppercased(), news)
        } else if let end = worst([.resolved]) {
            (tag, alert, others) = ("RESOLVED", end, notification.resolved.count - 1)
            if notification.openCount > 0 { notes = ["\(notification.openCount) still firing"] }
        } else {
            tag = "REMINDER"
        }
        if others > 0 { notes.insert("+\(others) more", at: 0) }
        let note = notes.isEmpty ? "" : " (\(notes.joined(separator: ", ")))"
        let cluster = notification.cluster.oneLine.cut(to: 60)
        return "[\(tag)] \(cluster): \((alert?.summary ?? "").oneLine.cut(to: 120))\(note)"
    }
}
