// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// The settings of the program, from all sources.
struct Settings: Sendable, CustomStringConvertible, CustomReflectable {
    /// The task of the program.
    enum Command: Sendable {
        case serve, once, doctor, help, version
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
    var apiToken: String?
    var apiAdminToken: String?
    var corsOrigins: [String] = []

    /// The settings, without secrets.
    var description: String { "\(command) \(clusters) at \(Endpoint.authority(apiHost, apiPort))" }
    var customMirror: Mirror { Mirror(self, children: []) }

    /// Refuses what makes no sense together.
    func check() throws(UsageError) {
        if clusters.isEmpty {
            throw UsageError("--endpoints is missing; --demo starts a private etcd to look at")
        }
        if isJSON && command == .serve { throw UsageError("--json needs --once or --doctor") }
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
