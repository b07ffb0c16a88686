// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// A setting: a flag, an environment variable, and a key of the configuration file.
struct Setting: Sendable {
    /// The kind of a setting's value.
    enum Kind: Sendable {
        /// One value, with its placeholder in the help.
        case value(String)
        /// A value that may be given several times.
        case list(String)
        /// True or false; the flag without a value means true.
        case toggle
        /// A secret; the flag names a file that contains it.
        case secret
        /// A JSON object; only in the configuration file.
        case object
    }

    /// The part of the settings that a setting changes.
    enum Target: Sendable {
        case program(@Sendable (inout Settings, String) throws -> Void)
        /// A secret of the program, whose file may change while the program runs.
        case secret(@Sendable (inout Settings, Secret) throws -> Void)
        /// Each cluster; the file can set it for all clusters and for one.
        case cluster(@Sendable (inout ClusterSettings, String) throws -> Void)
        /// A secret of each cluster, which is read again each time it is used.
        case clusterSecret(@Sendable (inout ClusterSettings, Secret) -> Void)
        /// The list of clusters.
        case clusters
    }

    /// The name in lowercase with hyphens, such as `api-port`.
    let name: String
    let kind: Kind
    let help: String
    let target: Target

    init(_ name: String, _ kind: Kind, _ help: String, _ target: Target) {
        self.name = name
        self.kind = kind
        self.help = help
        self.target = target
    }

    /// The flag, such as `--api-port`; nil for none.
    var flag: String? {
        switch kind {
        case .object: nil
        case .secret: "--\(name)-file"
        default: "--\(name)"
        }
    }

    /// The key in the configuration file, such as `apiPort`.
    var key: String {
        let words = name.split(separator: "-")
        return words.dropFirst().reduce(String(words.first ?? "")) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
    }

    /// The environment variable, such as `ETCD_MONITOR_API_PORT`; nil for none.
    var variable: String? {
        if case .object = kind { return nil }
        return "ETCD_MONITOR_" + name.uppercased().replacing("-", with: "_")
    }

    var isSecret: Bool { if case .secret = kind { true } else { false } }
    var isList: Bool { if case .list = kind { true } else { false } }
    var isPerCluster: Bool {
        switch target {
        case .cluster, .clusterSecret: true
        case .program, .secret, .clusters: false
        }
    }

    /// All settings, in groups, in the order of the help.
    static let groups: [(title: String, settings: [Setting])] = [
        ("CLUSTERS", clusters), ("CONNECTIONS", connections), ("POLLS", polls),
        ("LIMITS, beyond which there is a finding", limits), ("API", api),
        ("ALERTS; the file has more settings", alerts),
        ("BENCHMARK, with --run-benchmark; see Docs/Benchmark.md", benchmark),
    ]

    /// All settings.
    static let all = groups.flatMap(\.settings) + [thresholds]
}

extension Setting {
    static let endpoints = connection(
        .endpoints,
        .value("LIST"),
        "endpoints of the cluster, separated by commas; other members are discovered"
    )
    static let cluster = Setting(
        "cluster",
        .list("NAME=LIST"),
        "one of several clusters, with a name; may be repeated",
        .clusters
    )

    private static let clusters = [endpoints, cluster]

    private static let connections = [
        connection(
            .cacert,
            .value("FILE"),
            "trusts the authorities in this file; this and the next flags switch TLS on"
        ),
        connection(.cert, .value("FILE"), "presents the client certificate in this file"),
        connection(.key, .value("FILE"), "key of the client certificate"),
        Setting(
            "key-passphrase",
            .secret,
            "file with the passphrase of the key",
            .cluster { $0.passphrase = $1 }
        ),
        connection(
            .insecureSkipTLSVerify,
            .toggle,
            "accepts any server certificate; for experiments only"
        ),
        connection(
            .user,
            .value("NAME[:PASSWORD]"),
            "user; asks for the password if neither it nor a file of it is given"
        ),
        Setting("password", .secret, "file with the password of the user", .cluster { $0.password = $1 }),
        connection(
            .dialTimeout,
            .value("TIME"),
            "timeout of one attempt to connect, such as 500ms or 2s (default: 2s)"
        ),
        connection(
            .commandTimeout,
            .value("TIME"),
            "timeout of one probe (default: 2s), or of one operation of a benchmark (default: 5s)"
        ),
    ]

    private static let api = [
        program("api-host", .value("ADDRESS"), "address of the API (default: 127.0.0.1, only for this machine)") {
            $0.apiHost = try filled($1)
        },
        program("api-port", .value("PORT"), "port of the API (default: 8080; 0: any free port)") {
            guard let port = UInt16($1) else { throw UsageError("\"\($1)\" is not a port (0 to 65535)") }
            $0.apiPort = port
        },
        program("api-cert", .value("FILE"), "serves the API over TLS with the certificate in this file") {
            $0.apiCertificate = $1
        },
        program("api-key", .value("FILE"), "key of the API's certificate") { $0.apiKey = $1 },
        program(
            "api-client-ca",
            .value("FILE"),
            "accepts only clients with a certificate of the authorities in this file"
        ) {
            $0.apiClientAuthorities = $1
        },
        secret("api-token", "file with a bearer token for reading; requests without a token are refused") {
            _ = try token($1.value())
            $0.apiToken = $1
        },
        secret("api-admin-token", "file with a bearer token for reading and changes") {
            _ = try token($1.value())
            $0.apiAdminTokens["admin"] = $1
        },
        program(
            "cors-origin",
            .list("ORIGIN"),
            "allows pages of this origin, such as https://ops.example; may be repeated"
        ) { $0.corsOrigins.append($1) },
        program("allow-benchmark", .toggle, "allows administrators to run benchmarks through the API; they create load")
        {
            $0.allowsBenchmark = try Bool(text: $1)
        },
    ]

    private static func connection(_ flag: ConnectionFlags.Flag, _ kind: Kind, _ help: String) -> Setting {
        let target = Target.cluster { try $0.connection.set(flag, to: $1) }
        return Setting(flag.rawValue, kind, help, flag == .endpoints ? .clusters : target)
    }

    static func program(
        _ name: String,
        _ kind: Kind,
        _ help: String,
        _ change: @escaping @Sendable (inout Settings, String) throws -> Void
    ) -> Setting {
        Setting(name, kind, help, .program(change))
    }

    static func secret(
        _ name: String,
        _ help: String,
        _ change: @escaping @Sendable (inout Settings, Secret) throws -> Void
    ) -> Setting {
        Setting(name, .secret, help, .secret(change))
    }

    /// A non-empty text.
    static func filled(_ text: String) throws -> String {
        if text.isEmpty { throw UsageError("it is empty") }
        return text
    }

    /// The non-empty value of a flag.
    static func filled(_ text: String, of flag: String) throws(UsageError) -> String {
        try naming(flag) { try filled(text) }
    }

    /// A text that can be sent as a bearer token.
    static func token(_ text: String) throws -> String {
        guard !text.isEmpty, text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw UsageError("the token is empty or not visible ASCII text")
        }
        return text
    }
}
