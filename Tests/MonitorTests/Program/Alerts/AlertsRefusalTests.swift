// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("Mistakes in the object alerts of the configuration file", .unit, .timeLimit(.minutes(1)))
struct AlertsRefusalTests {
    /// The reason why an object `alerts` is refused, after the path of the file; with the path only if it is named.
    private func problem(_ alerts: String) -> String? {
        message { try alertsConfiguration(alerts) }?.firstMatch(of: /monitor\.json: alerts(?:\.|: )?(.*)/).map {
            String($0.output.1)
        }
    }

    @Test(
        "of the object itself",
        arguments: [
            ("1", "it is a number, not an object"),
            (#"{"chanels": {}}"#, "chanels: unknown setting; did you mean \"channels\"?"),
            (#"{"colour": {}}"#, "colour: unknown setting"),
            (#"{"stateFile": 1}"#, "stateFile: it is a number, not a text"),
            (#"{"stateFile": ""}"#, "stateFile: it is empty"),
            (#"{"stateFile": "${NONE}"}"#, "stateFile: there is no environment variable \"NONE\""),
            (#"{"interval": 5}"#, "interval: it is a number, not a time, such as \"5s\""),
            (#"{"interval": "5"}"#, "interval: \"5\" is not a time; write for example 500ms, 5s or 1m"),
            (#"{"interval": "0s"}"#, "interval: 0s is less than 100ms"),
            (#"{"groupWait": "-1s"}"#, "groupWait: \"-1s\" is not a time; write for example 500ms, 5s or 1m"),
            (#"{"repeatInterval": "1ms"}"#, "repeatInterval: 1ms is less than 1s"),
            (#"{"watchdog": "yes"}"#, "watchdog: it is a text, not true or false"),
            (#"{"channels": []}"#, "channels: it is an array, not an object"),
            (#"{"routes": {}}"#, "routes: it is an object, not an array"),
        ]
    )
    func object(alerts: String, expected: String) { #expect(problem(alerts) == expected) }

    @Test(
        "of channels",
        arguments: [
            (#"{}"#, "\"type\" is missing"),
            (
                #"{"type": "email"}"#,
                "type: \"email\" is not one of alertmanager, console, pagerduty, slack, smtp, webhook"
            ),
            (#"{"type": "console", "format": "xml"}"#, "format: \"xml\" is not one of json, text"),
            (#"{"type": "console", "timeout": "1s"}"#, "timeout: unknown setting"),
            (#"{"type": "slack"}"#, "\"url\" or \"urlFile\" is missing"),
            (#"{"type": "slack", "url": "u", "urlFile": "f"}"#, "urlFile: \"url\" is also given"),
            (#"{"type": "slack", "url": 1}"#, "url: it is a number, not a text"),
            (#"{"type": "slack", "url": "u", "key": "k"}"#, "\"key\" needs \"cert\""),
            (#"{"type": "slack", "url": "u", "timeout": "1ms"}"#, "timeout: 1ms is less than 100ms"),
            (
                #"{"type": "slack", "url": "u", "sendResolved": true}"#,
                "sendResolved: unknown setting; did you mean \"sendsResolved\"?"
            ),
            (#"{"type": "pagerduty", "url": "u"}"#, "\"routingKey\" or \"routingKeyFile\" is missing"),
            (#"{"type": "webhook", "url": "u", "headers": {"A": 1}}"#, "headers.A: it is a number, not a text"),
            (
                #"{"type": "webhook", "url": "u", "headers": {"A": "1", "AFile": "f"}}"#,
                "headers.AFile: \"A\" is given twice"
            ),
            (#"{"type": "alertmanager"}"#, "it needs exactly one of \"urls\", \"url\" and \"urlFile\""),
            (#"{"type": "alertmanager", "urls": []}"#, "urls: it is empty"),
            (#"{"type": "alertmanager", "urls": ["a", null]}"#, "urls[1]: it is null, not a text"),
            (#"{"type": "smtp", "from": "a", "to": ["b"]}"#, "\"host\" is missing"),
            (#"{"type": "smtp", "host": "h", "from": "a", "to": "b"}"#, "to: it is a text, not an array"),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "port": "25"}"#,
                "port: it is a text, not a number"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "port": 65536}"#,
                "port: it is not a port (1 to 65535)"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "port": 0}"#,
                "port: it is not a port (1 to 65535)"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "port": 2.5}"#,
                "port: it is not a port (1 to 65535)"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "security": "ssl"}"#,
                "security: \"ssl\" is not one of none, starttls, tls"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "user": "u"}"#,
                "\"user\" and \"password\" need each other"
            ),
            (
                #"{"type": "smtp", "host": "h", "from": "a", "to": ["b"], "authentication": "gssapi"}"#,
                "authentication: \"gssapi\" is not one of automatic, login, plain"
            ),
        ]
    )
    func channels(channel: String, expected: String) {
        let found = problem(#"{"channels": {"x": \#(channel)}}"#)
        let path = expected.firstMatch(of: /^[a-zA-Z.]+(\[\d\])?:\ /) == nil ? "channels.x: " : "channels.x."
        #expect(found == path + expected)
    }

    @Test("of the names of channels and administrators")
    func names() {
        #expect(
            problem(#"{"channels": {"a b": {"type": "console"}}}"#)
                == "channels.a b: a name must consist of letters, digits, \"-\", \"_\" and \".\""
        )
        let names = message { try configured(#"{"endpoints": "a", "apiAdminTokens": {"a b": "t"}}"#) }
        #expect(
            names?.hasSuffix("apiAdminTokens: a name must consist of letters, digits, \"-\", \"_\" and \".\"") == true
        )
        let file = message { try configured(#"{"endpoints": "a", "apiAdminTokens": {"aFile": "/none"}}"#) }
        #expect(file?.hasSuffix("apiAdminTokens.a: /none cannot be read") == true)
    }

    @Test(
        "of rules",
        arguments: [
            (#"{}"#, "it needs \"finding\" or \"name\""),
            (#"{"finding": "membr-down"}"#, "finding: \"membr-down\" is unknown; did you mean \"member-down\"?"),
            (#"{"finding": "nonsense"}"#, "finding: \"nonsense\" is unknown"),
            (#"{"finding": "member-down", "above": 1}"#, "above: unknown setting"),
            (
                #"{"finding": "member-down", "severity": "high"}"#,
                "severity: \"high\" is not one of critical, info, warning"
            ),
            (#"{"finding": "member-down", "enabled": 1}"#, "enabled: it is a number, not true or false"),
            (
                #"{"name": "A b", "figure": "keys", "above": 1}"#,
                "name: a name must consist of letters, digits and \"_\", and start with a letter"
            ),
            (#"{"name": "A", "above": 1}"#, "\"figure\" is missing"),
            (#"{"name": "A", "figure": "kyes", "above": 1}"#, "figure: \"kyes\" is unknown; did you mean \"keys\"?"),
            (#"{"name": "A", "figure": "keys", "above": "1"}"#, "above: it is a text, not a number"),
            (#"{"name": "A", "figure": "keys"}"#, "it needs either \"above\" or \"below\""),
            (#"{"name": "A", "figure": "keys", "above": 1, "below": 2}"#, "it needs either \"above\" or \"below\""),
            (
                #"{"name": "A", "figure": "keys", "above": 1, "scope": "node"}"#,
                "scope: \"node\" is not one of cluster, member"
            ),
            (#"{"name": "EtcdMemberDown", "figure": "keys", "above": 1}"#, "there are two rules \"EtcdMemberDown\""),
            (
                #"{"name": "EtcdMonitorWatchdog", "figure": "keys", "above": 1}"#,
                "there are two rules \"EtcdMonitorWatchdog\""
            ),
            (
                #"{"name": "EtcdMonitorChannelFailed", "figure": "keys", "above": 1}"#,
                "there are two rules \"EtcdMonitorChannelFailed\""
            ),
        ]
    )
    func rules(rule: String, expected: String) {
        let path = expected.firstMatch(of: /^[a-z]+:\ /) == nil ? "rules[0]: " : "rules[0]."
        #expect(problem(#"{"rules": [\#(rule)]}"#) == path + expected)
    }

    @Test("of rules that are there twice")
    func twice() {
        let finding = #"{"finding": "member-down", "enabled": false}"#
        let own = #"{"name": "A", "figure": "keys", "above": 1, "enabled": false}"#
        #expect(
            problem(#"{"rules": [\#(finding), \#(finding)]}"#) == "rules[1]: there are two rules \"EtcdMemberDown\""
        )
        #expect(problem(#"{"rules": [\#(own), \#(own)]}"#) == "rules[1]: there are two rules \"A\"")
        #expect(problem(#"{"rules": [\#(finding), \#(own)]}"#) == nil, "control")
    }

    @Test(
        "of routes",
        arguments: [
            (#"{}"#, "it needs either \"channels\" or \"steps\""),
            (#"{"channels": ["c"], "steps": []}"#, "it needs either \"channels\" or \"steps\""),
            (#"{"steps": []}"#, "it has no steps"),
            (#"{"channels": []}"#, "channels: it is empty"),
            (#"{"channels": ["d"]}"#, "channels[0]: \"d\" is not one of c"),
            (
                #"{"steps": [{"channels": ["c"]}, {"channels": ["c", "chta"]}]}"#,
                "steps[1].channels[1]: \"chta\" is not one of c"
            ),
            (#"{"steps": [{"after": "1m"}]}"#, "steps[0]: \"channels\" is missing"),
            (
                #"{"steps": [{"channels": ["c"], "after": 1}]}"#,
                "steps[0].after: it is a number, not a time, such as \"5s\""
            ),
            (#"{"channels": ["c"], "clusters": "a"}"#, "clusters: it is a text, not an array"),
            (
                #"{"channels": ["c"], "rules": ["EtcdQurumLost"]}"#,
                "rules[0]: \"EtcdQurumLost\" is unknown; did you mean \"EtcdQuorumLost\"?"
            ),
            (#"{"channels": ["c"], "rules": ["Etcd*", "X*"]}"#, "rules[1]: \"X*\" is unknown"),
            (
                #"{"channels": ["c"], "labels": {"node": "a"}}"#,
                "labels.node: \"node\" is not one of alertname, channel, cluster, code, member, severity, subject"
            ),
            (
                #"{"channels": ["c"], "continues": true}"#,
                "continues: unknown setting; did you mean \"continue\"?"
            ),
            (#"{"channels": ["c"], "repeatInterval": "0s"}"#, "repeatInterval: 0s is less than 1s"),
        ]
    )
    func routes(route: String, expected: String) {
        let path = expected.firstMatch(of: /^[a-zA-Z.\[\]0-9]+:\ /) == nil ? "routes[0]: " : "routes[0]."
        #expect(problem(#"{"channels": {"c": {"type": "console"}}, "routes": [\#(route)]}"#) == path + expected)
    }

    @Test(
        "of inhibitions and maintenance windows",
        arguments: [
            (#"{"inhibitions": [{"source": {"cluster": "a"}}]}"#, "inhibitions[0]: \"target\" is missing"),
            (#"{"inhibitions": [{"source": {}, "target": {"cluster": "a"}}]}"#, "inhibitions[0].source: it is empty"),
            (
                #"{"inhibitions": [{"source": {"cluster": "a"}, "target": {"alertname": "X"}}]}"#,
                "inhibitions[0].target.alertname: \"X\" is unknown"
            ),
            (
                #"{"inhibitions": [{"source": {"cluster": "a"}, "target": {"cluster": "b"}, "equal": ["x"]}]}"#,
                "inhibitions[0].equal[0]: \"x\" is not one of alertname, channel, cluster, code, member, subject"
            ),
            (#"{"maintenance": [{"at": "01:00", "lasts": "1h"}]}"#, "maintenance[0]: \"name\" is missing"),
            (
                #"{"maintenance": [{"name": "n", "at": "24:00", "lasts": "1h"}]}"#,
                "maintenance[0].at: \"24:00\" is not a time of the day, such as 22:00"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "1:00", "lasts": "1h"}]}"#,
                "maintenance[0].at: \"1:00\" is not a time of the day, such as 22:00"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "01:00", "lasts": "169h"}]}"#,
                "maintenance[0].lasts: it is more than a week"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "01:00", "lasts": "0s"}]}"#,
                "maintenance[0].lasts: 0s is less than 1s"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "01:00", "lasts": "1h", "days": ["Saturday"]}]}"#,
                "maintenance[0].days[0]: \"Saturday\" is not one of fri, mon, sat, sun, thu, tue, wed"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "01:00", "lasts": "1h", "days": []}]}"#,
                "maintenance[0].days: it is empty"
            ),
            (
                #"{"maintenance": [{"name": "n", "at": "01:00", "lasts": "1h", "timeZone": "Europe/Berln"}]}"#,
                "maintenance[0].timeZone: \"Europe/Berln\" is unknown; did you mean \"Europe/Berlin\"?"
            ),
        ]
    )
    func muting(alerts: String, expected: String) { #expect(problem(alerts) == expected) }

    @Test("a route without any channel is refused")
    func noChannel() {
        #expect(problem(#"{"routes": [{"channels": ["c"]}]}"#) == "routes[0].channels[0]: there is no channel")
    }
}
