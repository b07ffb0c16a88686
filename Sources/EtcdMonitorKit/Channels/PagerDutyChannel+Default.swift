// SPDX-License-Identifier: Apache-2.0

extension PagerDutyChannel {
    /// The default event of an alert.
    ///
    /// - Parameters:
    ///   - item: The alert, and the reason why it is sent.
    ///   - notification: The notification it belongs to.
    /// - Returns: An event that triggers or resolves the incident with the alert's identity.
    public static func event(for item: AlertNotification.Item, in notification: AlertNotification) -> Event {
        let alert = item.alert
        if item.reason == .resolved { return Event(.resolve, dedupKey: alert.id) }
        var details = alert.labels.merging(alert.figures.mapValues { "\($0)" }) { label, _ in label }
        details["description"] = alert.description.isEmpty ? nil : alert.description
        details["runbook"] = alert.runbook
        let name = alert.cluster.oneLine
        let cluster = name.isEmpty ? "etcd" : name.cut(to: 255)
        let payload = Event.Payload(
            summary: "\(cluster): \(alert.summary)".oneLine,
            source: cluster,
            severity: severity(alert.severity),
            timestamp: (alert.firingSince ?? alert.activeSince).rfc3339,
            component: alert.labels["member"]?.cut(to: 255),
            group: cluster,
            eventClass: alert.name.cut(to: 255),
            customDetails: details
        )
        let page = notification.externalURL.flatMap(link)
        return Event(
            .trigger,
            dedupKey: alert.id,
            payload: payload,
            links: alert.runbook.flatMap(link).map { [Event.Link(href: $0, text: "Runbook")] } ?? [],
            client: "etcd-monitor",
            clientURL: page
        )
    }

    private static func severity(_ severity: AlertSeverity) -> Event.Severity {
        switch severity {
        case .info: .info
        case .warning: .warning
        case .critical: .critical
        }
    }

    /// The address, if it is a URL for a browser.
    ///
    /// The monitor makes no very long ones.
    private static func link(_ address: String) -> String? {
        address.isWebURL ? address : nil
    }
}
