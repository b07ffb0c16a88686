// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// The settings of the program, from all sources.
struct Settings: Sendable, CustomStringConvertible, CustomReflectable {
    /// The command of the program.
    enum Command: Sendable, Hashable {
        case serve, once, doctor, alive, benchmark, help, version
        /// Tests a channel, by its name.
        case testAlert(String)
        /// Measures the disk of a folder.
        case probeDisk(String)

        /// Whether it prints one result, for people or for programs.
        var hasResult: Bool {
            switch self {
            case .once, .doctor, .benchmark, .probeDisk: true
            case .serve, .alive, .help, .version, .testAlert: false
            }
        }
    }

    var command = Command.serve
    /// Whether to start a private etcd and monitor it.
    var isDemo = false
    /// Whether to print JSON instead of text.
    var isJSON = false
    var clusters: [ClusterSettings] = []

    var apiHost = "127.0.0.1"
    var apiPort: UInt16 = 8080
    var apiCertificate: String?
    var apiKey: String?
    var apiClientAuthorities: String?
    var apiToken: Secret?
    /// The tokens of administrators, by name.
    var apiAdminTokens: [String: Secret] = [:]
    var corsOrigins: [String] = []
    /// Whether administrators may run benchmarks through the API.
    var allowsBenchmark = false
    var alerts = AlertsConfiguration()
    var benchmark = BenchmarkSettings()

    /// The settings, without secrets.
    var description: String { "\(command) \(clusters) at \(Endpoint.authority(apiHost, apiPort))" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses invalid combinations.
    func check() throws(UsageError) {
        try alerts.checkNames()
        if case .testAlert(let name) = command { return try alerts.check(name) }
        if case .probeDisk = command { return }
        if command == .alive && apiPort == 0 { throw UsageError("--alive needs an --api-port") }
        if clusters.isEmpty && command != .alive {
            throw UsageError("--endpoints is missing; --demo starts a private etcd instead")
        }
        if isJSON && !command.hasResult {
            throw UsageError("--json needs --once, --doctor, --run-benchmark or --fsync-probe")
        }
        if command == .benchmark && clusters.count > 1 { throw UsageError("--run-benchmark takes one cluster") }
        if (apiCertificate == nil) != (apiKey == nil) { throw UsageError("--api-cert and --api-key need each other") }
        if apiClientAuthorities != nil && apiCertificate == nil { throw UsageError("--api-client-ca needs --api-cert") }
        for cluster in clusters { try cluster.connection.check() }
    }
}

/// The settings of one cluster.
struct ClusterSettings: Sendable, CustomStringConvertible, CustomReflectable {
    var endpoints: [Endpoint]
    var connection = ConnectionFlags()
    var password: String?
    var passphrase: String?
    var historyFile: String?
    var historyPostgres: Secret?
    var historyRetention = PostgresHistorySink.Options().retention
    /// The settings of its monitor.
    var options = ClusterMonitor.Options()

    init(name: String, endpoints: [Endpoint]) {
        options.name = name
        self.endpoints = endpoints
        connection.commandTimeout = options.timeout
    }

    /// The cluster, without secrets.
    var description: String { "\(options.name)=\(endpoints.map(\.description).joined(separator: ","))" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// The sinks of the history in addition to its file.
    var historySinks: [any HistorySink] {
        var options = PostgresHistorySink.Options()
        options.retention = historyRetention
        return historyPostgres.map { [PostgresHistorySink($0, options)] } ?? []
    }

    /// The configuration of a client from these settings.
    ///
    /// - Throws: The errors of ``ConnectionFlags/configuration(for:)``.
    func clientConfiguration() throws -> EtcdClient.Configuration {
        var connection = connection
        if let user = connection.user { connection.user?.password = user.password ?? password }
        if let passphrase { connection.changeTLS { $0.passphrase = passphrase } }
        return try connection.configuration(for: endpoints)
    }
}
