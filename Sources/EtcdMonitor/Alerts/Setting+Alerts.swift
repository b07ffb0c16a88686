// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// Channels that need no more than a secret, so that a container needs no file for them.
extension Setting {
    static let alerts = [
        program(
            "alert-state-file",
            .value("FILE"),
            "keeps the states of alerts over restarts, so that nothing is told twice (default: none)"
        ) { $0.alerts.options.stateFile = try filled($1) },
        secret("slack-url", "sends alerts to the incoming webhook of Slack whose URL is in this file") {
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
            "sends alerts to the Alertmanagers at the URLs in this file, with spaces between them"
        ) {
            let urls = try $1.value().split { $0.isWhitespace || $0 == "," }.map { Secret(String($0)) }
            if urls.isEmpty { throw UsageError("there is no URL") }
            try $0.alerts.add("alertmanager", AlertmanagerChannel(urls: urls))
        },
    ]
}
