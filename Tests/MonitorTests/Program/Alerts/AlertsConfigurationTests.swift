// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("The object alerts of the configuration file", .unit, .timeLimit(.minutes(1)))
struct AlertsConfigurationTests {
    @Test("without the object, all settings have their defaults, and nothing is sent")
    func defaults() throws {
        let alerts = try alertsConfiguration("{}")
        #expect(alerts.channels.isEmpty)
        #expect(alerts.options.rules.map(\.name) == AlertCenter.Options().rules.map(\.name))
        #expect(alerts.options.routes == nil)
        #expect(alerts.options.inhibitions == AlertInhibition.standard)
        #expect(alerts.options.interval == AlertCenter.Options().interval)
        #expect(!alerts.ownsOutput)
    }

    @Test("times, paths and URLs are applied")
    func options() throws {
        let options = try alertsConfiguration(
            """
            {"stateFile": "s.json", "externalUrl": "https://m/", "runbookBase": "https://d/M.md", "interval": "1s",
             "groupWait": "0s", "groupInterval": "2m", "repeatInterval": "3h", "restartGrace": "4m", "watchdog": false}
            """
        ).options
        #expect(options.stateFile == "s.json")
        #expect(options.externalURL == "https://m/")
        #expect(options.runbookBase == "https://d/M.md")
        #expect([options.interval, options.groupWait] == [.seconds(1), .zero])
        #expect([options.groupInterval, options.repeatInterval] == [.seconds(120), .seconds(10800)])
        #expect(options.restartGrace == .seconds(240))
        #expect(!options.rules.contains { $0.name == AlertRule.watchdog.name })
    }

    @Test("rules of findings are changed or switched off, and custom rules are added")
    func rules() throws {
        let rules = try alertsConfiguration(
            """
            {"rules": [
              {"finding": "member-down", "severity": "info", "holdsFor": "1m", "keepsFiringFor": "5m"},
              {"finding": "slow-reads", "enabled": false},
              {"name": "EtcdManyKeys", "figure": "keys", "above": 10, "holdsFor": "3m", "severity": "critical",
               "summary": "Too many", "runbook": "https://r"},
              {"name": "EtcdFewKeys", "figure": "keys", "scope": "member", "below": 5, "keepsFiringFor": "2m"},
              {"name": "EtcdOff", "figure": "keys", "above": 1, "enabled": false}
            ]}
            """
        ).options.rules
        func rule(_ name: String) -> AlertRule? { rules.first { $0.name == name } }
        #expect(rule("EtcdMemberDown")?.severity == .info)
        #expect(rule("EtcdMemberDown")?.holdsFor == .seconds(60))
        #expect(rule("EtcdMemberDown")?.keepsFiringFor == .seconds(300))
        #expect(rule("EtcdSlowReads") == nil)
        #expect(rule("EtcdOff") == nil)
        #expect(rules.count == AlertCenter.Options().rules.count + 1)

        var snapshot = MonitorSnapshot()
        snapshot.poll = 1
        snapshot.metrics = [.keys: 11]
        var member = MemberSnapshot()
        member.id = "a1"
        member.metrics = [.keys: 4]
        snapshot.members = [member]
        let many = try #require(rule("EtcdManyKeys"))
        #expect(many.holdsFor == .seconds(180))
        let match = try #require(many.matches(snapshot)?.first)
        #expect(match.severity == .critical)
        #expect(match.summary.hasPrefix("Too many"))
        #expect(match.runbook == "https://r")
        let few = try #require(rule("EtcdFewKeys"))
        #expect(few.keepsFiringFor == .seconds(120))
        #expect(few.matches(snapshot)?.map(\.labels) == [["member": "a1"]])
        #expect(few.matches(snapshot)?.map(\.severity) == [.warning])
        snapshot.metrics = [.keys: 10]
        member.metrics = [.keys: 5]
        snapshot.members = [member]
        #expect(many.matches(snapshot) == [], "control")
        #expect(few.matches(snapshot) == [], "control")
    }

    @Test("a route is one for each cluster and rule that it names, with its steps")
    func routes() throws {
        let routes = try alertsConfiguration(
            """
            {"channels": {"c": {"type": "console"}, "d": {"type": "console"}}, "routes": [
              {"channels": ["c", "d"]},
              {"severity": "critical", "clusters": ["a", "b*"], "rules": ["EtcdMember*"], "labels": {"member": "1f"},
               "steps": [{"channels": ["c"]}, {"after": "15m", "channels": ["d"]}], "repeatInterval": "1h",
               "continue": true}
            ]}
            """
        ).options.routes
        let steps = [AlertRoute.Step(["c"]), AlertRoute.Step(["d"], after: .seconds(900))]
        let others = ["a", "b*"].map { cluster in
            AlertRoute(
                to: steps,
                severity: .critical,
                matching: [
                    AlertMatcher("member", "1f"), AlertMatcher("cluster", cluster),
                    AlertMatcher("alertname", "EtcdMember*"),
                ],
                repeatInterval: .seconds(3600),
                continues: true
            )
        }
        #expect(routes == [AlertRoute(to: "c", "d")] + others)
    }

    @Test("inhibitions are added to the standard ones")
    func inhibitions() throws {
        let inhibitions = try alertsConfiguration(
            """
            {"inhibitions": [
              {"source": {"alertname": "EtcdQuorumLost"}, "target": {"alertname": "EtcdS*", "severity": "info"}},
              {"source": {"cluster": "a"}, "target": {"cluster": "b"}, "equal": ["member"]}
            ]}
            """
        ).options.inhibitions
        #expect(
            inhibitions.suffix(2) == [
                AlertInhibition(
                    [AlertMatcher("alertname", "EtcdQuorumLost")],
                    mutes: [AlertMatcher("alertname", "EtcdS*"), AlertMatcher("severity", "info")]
                ),
                AlertInhibition(
                    [AlertMatcher("cluster", "a")],
                    mutes: [AlertMatcher("cluster", "b")],
                    equal: ["member"]
                ),
            ]
        )
        #expect(inhibitions.count == AlertInhibition.standard.count + 2)
    }

    @Test("maintenance windows have days, a time, a zone and conditions")
    func maintenance() throws {
        let windows = try alertsConfiguration(
            """
            {"maintenance": [
              {"name": "night", "at": "23:59", "lasts": "168h"},
              {"name": "backup", "days": ["sat", "sun"], "at": "02:05", "lasts": "4h", "timeZone": "Europe/Berlin",
               "clusters": ["a", "b"]}
            ]}
            """
        ).options.maintenanceWindows
        let berlin = try #require(TimeZone(identifier: "Europe/Berlin"))
        let backups = ["a", "b"].map { cluster in
            MaintenanceWindow(
                "backup",
                on: [.saturday, .sunday],
                hour: 2,
                minute: 5,
                lasting: .seconds(14400),
                in: berlin,
                matching: [AlertMatcher("cluster", cluster)]
            )
        }
        #expect(
            windows == [MaintenanceWindow("night", hour: 23, minute: 59, lasting: .seconds(7 * 86400))] + backups
        )
    }

    @Test("single secrets make channels without a file, by flags and variables")
    func shortcuts() throws {
        try withFiles(["slack": "https://hooks/x\n", "key": "k", "urls": "http://a http://b,http://c\n"]) { folder in
            let settings = try Settings(
                ["--endpoints=a", "--slack-url-file=\(folder)/slack", "--alert-state-file=s.json"],
                environment: [
                    "ETCD_MONITOR_PAGERDUTY_ROUTING_KEY_FILE": "\(folder)/key",
                    "ETCD_MONITOR_WEBHOOK_URL": "https://h", "ETCD_MONITOR_SLACK_URL": "https://weaker",
                    "ETCD_MONITOR_ALERTMANAGER_URLS_FILE": "\(folder)/urls",
                ]
            )
            #expect(settings.alerts.options.stateFile == "s.json")
            #expect(settings.alerts.channels.keys.sorted() == ["alertmanager", "pagerduty", "slack", "webhook"])
            #expect(settings.alerts.channels.allSatisfy { $0.key == $0.value.kind })
            for (name, channel) in settings.alerts.channels {
                #expect(throws: Never.self, "\(name)") { try channel.check() }
            }
        }
    }

    @Test("secrets of flags and variables that cannot be used are refused")
    func unusableShortcuts() throws {
        try withFiles(["blank": " \n"]) { folder in
            #expect(
                message {
                    try Settings(["--endpoints=a", "--alertmanager-urls-file=\(folder)/blank"], environment: [:])
                }
                    == "--alertmanager-urls-file: it contains no URL"
            )
            #expect(
                message { try Settings(["--endpoints=a", "--slack-url-file=/none"], environment: [:]) }
                    == "--slack-url-file: /none cannot be read"
            )
        }
    }

    @Test("routes of the file reach channels of the environment; two of one name are refused")
    func mixture() throws {
        let environment = ["ETCD_MONITOR_SLACK_URL": "https://hooks/x"]
        let routed = try alertsConfiguration(#"{"routes": [{"channels": ["slack"]}]}"#, environment: environment)
        #expect(routed.channels.keys.sorted() == ["slack"])
        let twice = #"{"channels": {"slack": {"type": "console"}}}"#
        #expect(
            message { try alertsConfiguration(twice, environment: environment) }
                == "ETCD_MONITOR_SLACK_URL: the file also has a channel \"slack\""
        )
    }

    @Test("administrators have tokens with names")
    func adminTokens() throws {
        try withFiles(["bob": "b0b\n"]) { folder in
            let file = #"{"endpoints": "a", "apiAdminTokens": {"alice": "${A}", "bobFile": "\#(folder)/bob"}}"#
            let tokens = try configured(file, environment: ["A": "al1ce", "ETCD_MONITOR_API_ADMIN_TOKEN": "adm1n"])
                .apiAdminTokens
            #expect(try tokens.mapValues { try $0.value() } == ["alice": "al1ce", "bob": "b0b", "admin": "adm1n"])
        }
    }
}

/// The settings by a configuration file.
func configured(_ file: String, environment: [String: String] = [:]) throws -> Settings {
    try withFiles(["monitor.json": file]) { folder in
        try Settings(["--config=\(folder)/monitor.json"], environment: environment)
    }
}

/// The settings of a configuration file with this object `alerts`.
func alertsConfiguration(_ alerts: String, environment: [String: String] = [:]) throws -> AlertsConfiguration {
    try configured(#"{"endpoints": "a", "alerts": \#(alerts)}"#, environment: environment).alerts
}
