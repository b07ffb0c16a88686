// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("The configuration file of etcd-monitor", .unit)
struct ConfigurationFileTests {
    private func settings(_ file: String, environment: [String: String] = [:]) throws -> Settings {
        try withFiles(["monitor.json": file]) { folder in
            try Settings(["--config=\(folder)/monitor.json"], environment: environment)
        }
    }

    /// The reason why a file is refused, after its path.
    private func problem(_ file: String, environment: [String: String] = [:]) -> String? {
        message { try settings(file, environment: environment) }?.firstMatch(of: /monitor\.json: (.*)/).map {
            String($0.output.1)
        }
    }

    @Test("the settings of the shipped example are as documented")
    func example() throws {
        let path = Repository.url("Docs/etcd-monitor.json").path
        let environment = [
            "ETCD_US_PASSWORD": "pa55", "ETCD_MONITOR_READ_TOKEN": "t0ken", "ETCD_MONITOR_ALICE_TOKEN": "al1ce",
            "ETCD_MONITOR_BOB_TOKEN": "b0b", "TICKETS_TOKEN": "t1ckets",
        ]
        let settings = try Settings(["--config", path], environment: environment)
        #expect(
            settings.clusters.map(\.description) == [
                "prod-eu=https://etcd-0.eu.example:2379,https://etcd-1.eu.example:2379", "prod-us=etcd.us.example:2379",
            ]
        )
        let (europe, america) = (settings.clusters[0], settings.clusters[1])
        #expect(europe.connection.tls?.certificateChain == .file("/etc/etcd-monitor/client.pem"))
        #expect(europe.options.thresholds.maximumDatabaseBytes == 4_294_967_296)
        #expect(america.connection.tls == nil)
        #expect(america.connection.user?.name == "monitor")
        #expect(america.password == "pa55")
        #expect(america.options.metricsEndpoints["etcd-1"]?.description == "etcd-1.us.example:2381")
        #expect(america.options.thresholds.maximumDatabaseBytes == nil)
        for cluster in settings.clusters {
            #expect(cluster.options.metricsInterval == .seconds(15))
            #expect(cluster.options.thresholds.maximumReadSeconds == 0.1)
        }
        #expect(try settings.apiToken?.value() == "t0ken")
        #expect(try settings.apiAdminTokens.mapValues { try $0.value() } == ["alice": "al1ce", "bob": "b0b"])
        #expect(settings.corsOrigins == ["https://ops.example"])
        let alerts = settings.alerts
        #expect(
            alerts.channels.mapValues(\.kind) == [
                "alertmanagers": "alertmanager", "chat": "slack", "mail": "smtp", "pager": "pagerduty",
                "tickets": "webhook",
            ]
        )
        let steps = alerts.options.routes?.first { $0.severity == .critical }?.steps
        #expect(steps?.map(\.channels) == [["chat", "tickets"], ["pager"], ["mail"]])
        #expect(alerts.options.maintenanceWindows.count == 2)
        #expect(alerts.options.rules.contains { $0.name == "EtcdManyKeys" })
        #expect(throws: Never.self) { try AlertCenter([], channels: alerts.channels, alerts.options) }
    }

    @Test("a setting of one cluster wins over the setting of all")
    func oneCluster() throws {
        let settings = try settings(
            """
            {"user": "all", "password": "1", "healthCheckInterval": "1s",
             "clusters": {"a": {"endpoints": "a:1", "user": "own", "password": "2"}, "b": {"endpoints": ["b:1", "b:2"]}}}
            """
        )
        #expect(settings.clusters.map { $0.connection.user?.name } == ["own", "all"])
        #expect(settings.clusters.map(\.password) == ["2", "1"])
        #expect(settings.clusters.map(\.options.interval) == [.seconds(1), .seconds(1)])
        #expect(settings.clusters.map(\.endpoints.count) == [1, 2])
    }

    @Test("a flag can name other endpoints for a cluster that the file describes")
    func otherEndpoints() throws {
        try withFiles(["monitor.json": #"{"clusters": {"a": {"endpoints": "a:1", "user": "u:p"}}}"#]) { folder in
            let settings = try Settings(["--config=\(folder)/monitor.json", "--cluster=a=x:9"], environment: [:])
            #expect(settings.clusters.map(\.description) == ["a=x:9"])
            #expect(settings.clusters.first?.connection.user?.name == "u")
        }
    }

    @Test("secrets come from the environment and from files")
    func secrets() throws {
        try withFiles(["secret": "pa55\n"]) { folder in
            let file = #"{"endpoints": "a", "passwordFile": "\#(folder)/secret", "apiToken": "x${A}y${B}$${C}"}"#
            let settings = try settings(file, environment: ["A": "1", "B": "2"])
            #expect(settings.clusters.first?.password == "pa55")
            #expect(try settings.apiToken?.value() == "x1y2${C}")
        }
    }

    @Test(
        "an invalid setting is refused, with its place",
        arguments: [
            (#"{"endpoints": "a", "apiPrt": 1}"#, "apiPrt: unknown setting; did you mean \"apiPort\"?"),
            (#"{"endpoints": "a", "demo": true}"#, "demo: unknown setting"),
            (#"{"endpoints": "a", "cluster": "a=b"}"#, "cluster: unknown setting; did you mean \"clusters\"?"),
            (#"{"clusters": {"a": {"endpoints": "a", "apiPort": 1}}}"#, "clusters.a.apiPort: unknown setting"),
            (#"{"clusters": {"a": {"user": "u"}}}"#, "clusters.a: \"endpoints\" is missing"),
            (
                #"{"clusters": {"a/b": {"endpoints": "a"}}}"#,
                "clusters.a/b: a name must consist of letters, digits, \"-\", \"_\" and \".\""
            ),
            (#"{"clusters": ["a"]}"#, "clusters: it is an array, not an object"),
            (#"{"clusters": {"a": "b"}}"#, "clusters.a: it is a text, not an object"),
            (#"{"endpoints": "a", "apiPort": "x"}"#, "apiPort: \"x\" is not a port (0 to 65535)"),
            (#"{"endpoints": "a", "apiPort": null}"#, "apiPort: it is null, not a single value"),
            (#"{"endpoints": "a", "apiPort": [1]}"#, "apiPort: it is an array, not a single value"),
            (#"{"endpoints": ["a", {}]}"#, "endpoints[1]: it is an object, not a single value"),
            (
                #"{"endpoints": "a", "password": "${MISSING}"}"#,
                "password: there is no environment variable \"MISSING\""
            ),
            (#"{"endpoints": "a", "password": "${MISSING"}"#, "password: \"${\" without \"}\""),
            (#"{"endpoints": "a", "passwordFile": "/nowhere"}"#, "passwordFile: /nowhere cannot be read"),
            (#"{"endpoints": "a", "thresholds": 1}"#, "thresholds: it is a number, not an object"),
            (
                #"{"endpoints": "a", "thresholds": {"restrats": 1}}"#,
                "thresholds: unknown threshold \"restrats\""
            ),
            (#"{"endpoints": "a", "thresholds": {"restarts": "x"}}"#, "thresholds: restarts is not a whole number"),
            (
                #"{"endpoints": "a", "healthCheckInterval": 5}"#,
                "healthCheckInterval: \"5\" is not a time; write for example 500ms, 5s or 1m"
            ),
            (#"["a"]"#, "it is not a JSON object"),
        ]
    )
    func refusals(file: String, expected: String) {
        #expect(problem(file) == expected)
    }

    @Test("invalid JSON is refused, with the place")
    func syntax() {
        #expect(problem("{\"endpoints\": \"a\",\n \"apiPort\": 80 80}") == "Invalid value in line 2")
    }

    @Test("a missing file is refused")
    func missing() {
        #expect(
            message { try Settings(["--config=/nowhere.json"], environment: [:]) }
                == "/nowhere.json: the file cannot be read"
        )
    }
}
