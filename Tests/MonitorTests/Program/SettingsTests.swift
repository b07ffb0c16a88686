// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("Settings of etcd-monitor", .unit)
struct SettingsTests {
    private func settings(_ arguments: String..., environment: [String: String] = [:]) throws -> Settings {
        try Settings(arguments, environment: environment)
    }

    @Test("without more than endpoints, everything has its default")
    func defaults() throws {
        let settings = try settings("--endpoints=a:1,b:2")
        #expect(settings.command == .serve)
        #expect(settings.clusters.map(\.description) == ["etcd=a:1,b:2"])
        #expect(settings.apiHost == "127.0.0.1")
        #expect(settings.apiPort == 8080)
        #expect(!settings.isDemo && !settings.isJSON)
        let cluster = try #require(settings.clusters.first)
        #expect(cluster.options.interval == .seconds(5))
        #expect(cluster.options.metricsInterval == .zero)
        #expect(cluster.options.hashInterval == nil)
        #expect(cluster.options.thresholds == Thresholds())
        #expect(cluster.connection.commandTimeout == .seconds(2))
    }

    @Test("every flag changes its setting")
    func flags() throws {
        try withFiles(["token": "t0ken\n", "admin": "adm1n", "password": "pa55\n", "passphrase": "phra5e"]) { folder in
            let settings = try Settings(
                [
                    "--endpoints=a", "--health-check-interval=1s", "--metrics-interval=15s", "--hash-interval=6h",
                    "--probe-key=p", "--member-endpoint=m=x:1", "--metrics-endpoint=m=y:2", "--metrics-endpoint=n=z:3",
                    "--history-file=h.jsonl", "--max-latency-ms=250", "--max-db-size-mb=2", "--min-available-nodes=3",
                    "--max-leader-changes=7", "--user=u", "--password-file=\(folder)/password", "--cacert=ca.pem",
                    "--key-passphrase-file=\(folder)/passphrase", "--dial-timeout=3s", "--command-timeout=4s",
                    "--api-host=::", "--api-port=0", "--api-cert=c.pem", "--api-key=k.pem", "--api-client-ca=cca.pem",
                    "--api-token-file=\(folder)/token", "--api-admin-token-file=\(folder)/admin",
                    "--cors-origin=https://a", "--cors-origin=https://b",
                ],
                environment: [:]
            )
            #expect(settings.apiHost == "::")
            #expect(settings.apiPort == 0)
            #expect(settings.apiCertificate == "c.pem")
            #expect(settings.apiKey == "k.pem")
            #expect(settings.apiClientAuthorities == "cca.pem")
            #expect(try settings.apiToken?.value() == "t0ken")
            #expect(try settings.apiAdminTokens.mapValues { try $0.value() } == ["admin": "adm1n"])
            #expect(settings.corsOrigins == ["https://a", "https://b"])
            let cluster = try #require(settings.clusters.first)
            #expect(cluster.historyFile == "h.jsonl")
            #expect(cluster.password == "pa55")
            #expect(cluster.passphrase == "phra5e")
            #expect(cluster.connection.user?.name == "u")
            #expect(cluster.connection.tls?.trustedCertificates == .file("ca.pem"))
            #expect(cluster.connection.dialTimeout == .seconds(3))
            #expect(cluster.connection.commandTimeout == .seconds(4))
            let options = cluster.options
            #expect(options.interval == .seconds(1))
            #expect(options.metricsInterval == .seconds(15))
            #expect(options.hashInterval == .seconds(21600))
            #expect(options.probeKey == "p")
            #expect(options.endpoints.mapValues(\.description) == ["m": "x:1"])
            #expect(options.metricsEndpoints.mapValues(\.description) == ["m": "y:2", "n": "z:3"])
            #expect(options.thresholds.maximumReadSeconds == 0.25)
            #expect(options.thresholds.maximumDatabaseBytes == 2_097_152)
            #expect(options.thresholds.minimumVoters == 3)
            #expect(options.thresholds.maximumLeaderChanges == 7)
        }
    }

    @Test("the password of a file goes to the client, unless the flag has one")
    func password() throws {
        try withFiles(["password": "from-file"]) { folder in
            func credentials(_ user: String) throws -> Credentials? {
                let settings = try Settings(
                    ["--endpoints=a", "--user=\(user)", "--password-file=\(folder)/password"],
                    environment: [:]
                )
                return try settings.clusters.first?.clientConfiguration().credentials
            }
            let found = [try credentials("u"), try credentials("u:own")]
            #expect(found == [.user("u", password: "from-file"), .user("u", password: "own")])
        }
    }

    @Test("each command is found, and help and the version win")
    func commands() throws {
        #expect(try settings("--once", "--endpoints=a").command == .once)
        #expect(try settings("--doctor", "--json", "--endpoints=a").command == .doctor)
        #expect(try settings("--help").command == .help)
        #expect(try settings("-h").command == .help)
        #expect(try settings("--version").command == .version)
        let demo = try settings("--demo", "--health-check-interval=1s")
        #expect(demo.isDemo)
        #expect(demo.clusters.map(\.options.name) == ["demo"])
        #expect(demo.clusters.first?.options.interval == .seconds(1))
    }

    @Test("several clusters have names, and share the common settings")
    func clusters() throws {
        let settings = try settings("--cluster=west=b:1,c:1", "--cluster", "east=a:1", "--user=u:p")
        #expect(settings.clusters.map(\.description) == ["east=a:1", "west=b:1,c:1"])
        #expect(settings.clusters.allSatisfy { $0.connection.user?.name == "u" })
    }

    @Test(
        "invalid arguments are refused, with the reason",
        arguments: [
            ([], "--endpoints is missing; --demo starts a private etcd instead"),
            (["--demo", "--endpoints=a"], "--demo starts its own etcd and cannot be combined with endpoints"),
            (["--endpoints=a", "--json"], "--json needs --once, --doctor, --run-benchmark or --fsync-probe"),
            (
                ["--endpoints=a", "--once", "--doctor"],
                "--once, --doctor, --test-alert, --alive, --run-benchmark and --fsync-probe exclude each other"
            ),
            (["--alive", "--api-port=0"], "--alive needs an --api-port"),
            (["--endpoints=a", "--endpoints=b"], "--endpoints is given twice"),
            (["--once", "--once"], "--once is given twice"),
            (["--endpoints"], "--endpoints needs a value"),
            (["--endpoint=a"], "unknown flag --endpoint; did you mean --endpoints?"),
            (["--password=secret"], "unknown flag --password; see --help"),
            (["watch"], "\"watch\" is not a flag; see --help"),
            (["--endpoints=a", "--api-port=65536"], "--api-port: \"65536\" is not a port (0 to 65535)"),
            (["--endpoints=a", "--api-port=http"], "--api-port: \"http\" is not a port (0 to 65535)"),
            (["--endpoints=a", "--api-host="], "--api-host: it is empty"),
            (["--endpoints=a", "--api-cert=c"], "--api-cert and --api-key need each other"),
            (["--endpoints=a", "--api-client-ca=c"], "--api-client-ca needs --api-cert"),
            (["--endpoints=a", "--key=k"], "--key needs --cert"),
            (
                ["--endpoints=a", "--health-check-interval=5"],
                "--health-check-interval: \"5\" is not a time; write for example 500ms, 5s or 1m"
            ),
            (["--endpoints=a", "--health-check-interval=10ms"], "--health-check-interval: 10ms is less than 100ms"),
            (
                ["--endpoints=a", "--max-latency-ms=0"],
                "--max-latency-ms: \"0\" is not a number from 1 to 1000000000"
            ),
            (
                ["--endpoints=a", "--min-available-nodes=nan"],
                "--min-available-nodes: \"nan\" is not a number from 1 to 1000000000"
            ),
            (
                ["--endpoints=a", "--metrics-endpoint=b"],
                "--metrics-endpoint: write MEMBER=HOST:PORT, with a name or an ID"
            ),
            (
                ["--endpoints=a", "--metrics-endpoint=b=:1"],
                "--metrics-endpoint: \":1\" is not an endpoint: no host"
            ),
            (["--endpoints=a", "--api-token-file=/nowhere"], "--api-token-file: /nowhere cannot be read"),
            (["--cluster=a=b", "--cluster=a=c"], "--cluster: there are two clusters \"a\""),
            (
                ["--cluster=a/b=c"],
                "--cluster: write NAME=ENDPOINTS, with a NAME of letters, digits, \"-\", \"_\" and \".\""
            ),
            (["--cluster=a=b:x"], "--cluster: \"b:x\" is not an endpoint: \"x\" is not a port (1 to 65535)"),
        ]
    )
    func refusals(arguments: [String], expected: String) {
        #expect(message { try Settings(arguments, environment: [:]) } == expected)
    }

    @Test("a flag wins over the environment, that over the file, and that over the default")
    func precedence() throws {
        let file = """
            {"endpoints": "file:1", "apiPort": 1, "apiHost": "file", "maxLatencyMs": 1, "corsOrigin": ["file"],
             "healthCheckInterval": "1s", "thresholds": {"maximumReadSeconds": 0.5, "restarts": 9}}
            """
        try withFiles(["monitor.json": file]) { folder in
            let environment = [
                "ETCD_MONITOR_ENDPOINTS": "environment:1", "ETCD_MONITOR_API_PORT": "2",
                "ETCD_MONITOR_MAX_LATENCY_MS": "2", "ETCD_MONITOR_CORS_ORIGIN": "e1 e2",
            ]
            let path = "\(folder)/monitor.json"
            func settings(_ arguments: [String], _ environment: [String: String]) throws -> Settings {
                try Settings(arguments, environment: environment)
            }
            func readSeconds(_ settings: Settings) -> Double? {
                settings.clusters.first?.options.thresholds.maximumReadSeconds
            }
            let all = try settings(
                ["--config=\(path)", "--endpoints=flag:1", "--api-port=3", "--max-latency-ms=3"],
                environment
            )
            #expect(all.clusters.map(\.description) == ["etcd=flag:1"])
            #expect(all.apiPort == 3)
            #expect(readSeconds(all) == 0.003)
            #expect(all.corsOrigins == ["e1", "e2"])
            #expect(all.apiHost == "file")
            #expect(all.clusters.first?.options.interval == .seconds(1))
            #expect(all.clusters.first?.options.thresholds.restarts == 9)
            #expect(all.clusters.first?.options.thresholds.slowWatchers == Thresholds().slowWatchers)

            let two = try settings([], environment.merging(["ETCD_MONITOR_CONFIG": path]) { $1 })
            #expect(two.clusters.map(\.description) == ["etcd=environment:1"])
            #expect(two.apiPort == 2)
            #expect(readSeconds(two) == 0.002)

            let one = try settings(["--config", path], [:])
            #expect(one.clusters.map(\.description) == ["etcd=file:1"])
            #expect(one.apiPort == 1)
            #expect(one.corsOrigins == ["file"])
            // The two are the same limit, and thresholds are read last.
            #expect(readSeconds(one) == 0.5)
        }
    }

    @Test("errors name the variable")
    func environmentErrors() {
        let environment = ["ETCD_MONITOR_API_PORT": "x"]
        #expect(
            message { try settings("--endpoints=a", environment: environment) }
                == "ETCD_MONITOR_API_PORT: \"x\" is not a port (0 to 65535)"
        )
    }

    @Test("variables that Kubernetes sets for a service of this name are ignored")
    func foreignVariables() throws {
        let environment = ["ETCD_MONITOR_PORT": "tcp://10.0.0.1:80", "ETCD_MONITOR_SERVICE_HOST": "10.0.0.1"]
        #expect(try settings("--endpoints=a", environment: environment).apiPort == 8080)
    }

    @Test("descriptions, mirrors, errors and help contain no secrets")
    func secrets() throws {
        let environment = [
            "ETCD_MONITOR_PASSWORD": "s3cret", "ETCD_MONITOR_API_TOKEN": "s3cret",
            "ETCD_MONITOR_KEY_PASSPHRASE": "s3cret",
            "ETCD_MONITOR_USER": "u:s3cret",
        ]
        let settings = try settings("--endpoints=a", environment: environment)
        #expect(try settings.apiToken?.value() == "s3cret", "control")
        #expect(settings.clusters.first?.password == "s3cret", "control")
        var dumped = ""
        dump(settings, to: &dumped)
        for text in ["\(settings)", String(reflecting: settings), "\(settings.clusters)", dumped, Settings.help] {
            #expect(!text.contains("s3cret"))
        }
        for (name, value) in [
            ("ETCD_MONITOR_API_TOKEN", "s3cret with a space"), ("ETCD_MONITOR_USER", ":s3cret"),
            ("ETCD_MONITOR_ENDPOINTS", "https://u:s3cret@a"),
        ] {
            let message = message { try Settings([], environment: [name: value]) }
            #expect(message != nil)
            #expect(message?.contains("s3cret") == false, "\(name)")
        }
    }

    @Test("the help names every flag, and no line of it is too long")
    func help() {
        for setting in Setting.all {
            if let flag = setting.flag { #expect(Settings.help.contains("  \(flag)"), "\(flag)") }
        }
        for line in Settings.help.split(separator: "\n") { #expect(line.count <= 120, "\(line)") }
    }

    @Test("no two settings share a flag, a key or a variable")
    func names() {
        for names in [Setting.all.map(\.key), Setting.all.compactMap(\.flag), Setting.all.compactMap(\.variable)] {
            #expect(Set(names).count == names.count)
        }
    }
}

/// Lends a folder with these files to `body`, and removes it.
func withFiles<Result>(_ files: [String: String], _ body: (String) throws -> Result) throws -> Result {
    let folder = try makeFolder(files)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try body(folder.path)
}

/// Lends a folder with these files to `body`, and removes it.
func withFiles<Result>(_ files: [String: String], _ body: (String) async throws -> Result) async throws -> Result {
    let folder = try makeFolder(files)
    defer { try? FileManager.default.removeItem(at: folder) }
    return try await body(folder.path)
}

private func makeFolder(_ files: [String: String]) throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appending(path: "etcd-monitor-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for (name, text) in files { try Data(text.utf8).write(to: folder.appending(path: name)) }
    return folder
}
