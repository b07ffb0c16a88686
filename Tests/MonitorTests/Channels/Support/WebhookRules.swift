// SPDX-License-Identifier: Apache-2.0

import Foundation

@testable import EtcdMonitorKit

/// The rules of Alertmanager's webhooks, version 4.
enum WebhookRules {
    static let maps: Set = ["labels", "annotations", "groupLabels", "commonLabels", "commonAnnotations"]
    /// The keys of a message and their types, as Alertmanager 0.25 has them.
    static let shape = """
        {alerts: [{annotations: map, endsAt: date, fingerprint: string, generatorURL: string, labels: map, \
        startsAt: date, status: string}], commonAnnotations: map, commonLabels: map, externalURL: string, \
        groupKey: string, groupLabels: map, receiver: string, status: string, truncatedAlerts: number, version: string}
        """

    /// The rules that a request breaks.
    static func violations(in request: HTTPRequest) -> [String] {
        var broken: [String] = []
        func rule(_ name: String, _ holds: Bool) { if !holds { broken.append(name) } }
        rule("the method is POST", request.method == "POST")
        rule("the type is JSON", request.headers["Content-Type"]?.hasPrefix("application/json") == true)
        guard let message = try? JSON(request.body) else { return broken + ["the body is JSON"] }
        rule("the shape is right: \(message.shape(maps: maps))", message.shape(maps: maps) == shape)
        rule("the version is 4", message["version"].text == "4")
        let states = message["alerts"].elements.map { $0["status"].text }
        rule("the status is known", states.allSatisfy { $0 == "firing" || $0 == "resolved" })
        rule(
            "a group with an alert that fires does so",
            !states.contains("firing") || message["status"].text == "firing"
        )
        for alert in message["alerts"].elements {
            let (labels, texts) = (alert["labels"].texts ?? [:], alert["annotations"].texts ?? [:])
            rule("there is a name and a severity", labels["alertname"] != nil && labels["severity"] != nil)
            for (name, value) in message["commonLabels"].texts ?? [:] {
                rule("common labels are", labels[name] == value)
            }
            for (name, value) in message["commonAnnotations"].texts ?? [:] {
                rule("common annotations are", texts[name] == value)
            }
            for (name, value) in message["groupLabels"].texts ?? [:] { rule("group labels are", labels[name] == value) }
            let hasEnd = alert["endsAt"].text != "0001-01-01T00:00:00Z"
            rule("an alert has an end when it is over", hasEnd == (alert["status"].text == "resolved"))
            if hasEnd, let start = alert["startsAt"].date, let end = alert["endsAt"].date {
                rule("it ends after it begins", end >= start)
            }
        }
        return broken
    }
}
