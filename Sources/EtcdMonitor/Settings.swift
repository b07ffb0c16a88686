// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// The settings of the program, from all sources.
struct Settings: Sendable, CustomStringConvertible, CustomReflectable {
    /// The task of the program.
    enum Command: Sendable, Hashable {
        case serve, once, doctor, alive, benchmark, help, version
        /// Tries a channel, by its name.
        case testAlert(String)
        /// Measures the disk of a folder.
        case probeDisk(String)

        /// It prints a result once, for people or for programs.
        var hasResult: Bool {
            switch self {
            case .once, .doctor, .benchmark, .probeDisk: true
            case .serve, .alive, .help, .version, .testAlert: false
            }
        }
    }

    var command = Command.serve
    /// Starts a private etcd, and looks at that.
    var isDemo = false
    /// Prints JSON instead of text.
    var isJSON = false
    var clusters: [ClusterSettings] = []

    var apiHost = "127.0.0.1"
    var apiPort: UInt16 = 8080
    var apiCertificate: String?
    var apiKey: String?
    var apiClientAuthorities: String?
    var apiToken: Secret?
    /// The tokens of administrators, by their names.
    var apiAdminTokens: [String: Secret] = [:]
    var corsOrigins: [String] = []
    /// Administrators may run benchmarks through the API.
    var allowsBenchmark = false
    var alerts = AlertsConfiguration()
    var benchmark = BenchmarkSettings()

    /// The settings, without secrets.
    var description: String { "\(command) \(clusters) at \(Endpoint.authority(apiHost, apiPort))" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what makes no sense together.
    func check() throws(UsageError) {
        try alerts.checkNames()
        if case .testAlert(let name) = command { return try alerts.check(name) }
        if case .probeDisk = command { return }
        if command == .alive && apiPort == 0 { throw UsageError("--alive needs an --api-port") }
        if clusters.isEmpty && command != .alive {
            throw UsageError("--endpoints is missing; --demo starts a private etcd to look at")
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

/// How one cluster is looked at.
struct ClusterSettings: Sendable, CustomStringConvertible, CustomReflectable {
    var endpoints: [Endpoint]
    var connection = ConnectionFlags()
    var password: String?
    var passphrase: String?
    var historyFile: String?
    var historyPostgres: Secret?
    var historyRetention = PostgresHistorySink.Options().retention
    /// How the monitor looks at it.
    var options = ClusterMonitor.Options()

    init(name: String, endpoints: [Endpoint]) {
        options.name = name
        self.endpoints = endpoints
        connection.commandTimeout = options.timeout
    }

    /// The cluster, without secrets.
    var description: String { "\(options.name)=\(endpoints.map(\.description).joined(separator: ","))" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// The sinks of the history besides its file.
    var historySinks: [any HistorySink] {
        var options = PostgresHistorySink.Options()
        options.retention = historyRetention
        return historyPostgres.map { [PostgresHistorySink($0, options)] } ?? []
    }

    /// The configuration of a client by these settings.
    ///
    /// - Throws: As ``ConnectionFlags/configuration(for:)``.
    func clientConfiguration() throws -> EtcdClient.Configuration {
        var connection = connection
        if let user = connection.user { connection.user?.password = user.password ?? password }
        if let passphrase { connection.changeTLS { $0.passphrase = passphrase } }
        return try connection.configuration(for: endpoints)
    }
}
