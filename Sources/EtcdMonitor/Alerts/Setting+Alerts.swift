// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// Channels that need only a secret, so that a container needs no configuration file for them.
extension Setting {
    static let alerts = [
        program(
            "alert-state-file",
            .value("FILE"),
            "file that keeps the state of alerts, so that no alert is sent twice (default: none)"
        ) { $0.alerts.options.stateFile = try filled($1) },
        secret("slack-url", "sends alerts to the Slack webhook whose URL is in this file") {
            try $0.alerts.add("slack", SlackChannel(url: $1))
        },
        secret("pagerduty-routing-key", "sends alerts to PagerDuty with the routing key in this file") {
            try $0.alerts.add("pagerduty", PagerDutyChannel(routingKey: $1))
        },
        secret("webhook-url", "sends alerts to the URL in this file, in the format of Alertmanager's webhooks") {
            try $0.alerts.add("webhook", WebhookChannel(url: $1))
        },
        secret(
            "alertmanager-urls",
            "sends alerts to the Alertmanagers at the space-separated URLs in this file"
        ) {
            let urls = try $1.value().split { $0.isWhitespace || $0 == "," }.map { Secret(String($0)) }
            if urls.isEmpty { throw UsageError("it contains no URL") }
            try $0.alerts.add("alertmanager", AlertmanagerChannel(urls: urls))
        },
    ]
}
