// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// Something that can be set: by a flag, by an environment variable, and in the configuration file.
struct Setting: Sendable {
    /// How a setting is written.
    enum Kind: Sendable {
        /// One value, which the help calls so.
        case value(String)
        /// A value that may be given again, for more of it.
        case list(String)
        /// True or false; the flag alone is true.
        case toggle
        /// A value that is nobody else's business; the flag names a file that holds it.
        case secret
        /// A JSON object; only in the configuration file.
        case object
    }

    /// Whom a setting is about, and what it changes.
    enum Target: Sendable {
        case program(@Sendable (inout Settings, String) throws -> Void)
        /// A secret of the program, which may change in its file while the program runs.
        case secret(@Sendable (inout Settings, Secret) throws -> Void)
        /// Each cluster; the file can set it for all of them and for one.
        case cluster(@Sendable (inout ClusterSettings, String) throws -> Void)
        /// Each cluster, of a secret that is read again whenever it is used.
        case clusterSecret(@Sendable (inout ClusterSettings, Secret) -> Void)
        /// Which clusters there are.
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
        ("LIMITS, beyond which a finding is made", limits), ("API", api),
        ("ALERTS, of which the file can say more", alerts),
        ("BENCHMARK, with --run-benchmark; see Docs/Benchmark.md", benchmark),
    ]

    /// All settings.
    static let all = groups.flatMap(\.settings) + [thresholds]
}

extension Setting {
    static let endpoints = connection(
        .endpoints,
        .value("LIST"),
        "members of the cluster, separated by commas; the others are found"
    )
    static let cluster = Setting(
        "cluster",
        .list("NAME=LIST"),
        "one of several clusters, with a name; to be repeated",
        .clusters
    )

    private static let clusters = [endpoints, cluster]

    private static let connections = [
        connection(
            .cacert,
            .value("FILE"),
            "trusts the authorities in this file; this and the next flags switch TLS on"
        ),
        connection(.cert, .value("FILE"), "presents this certificate …"),
        connection(.key, .value("FILE"), "… whose key is in this file"),
        Setting(
            "key-passphrase",
            .secret,
            "… and encrypted with what stands in this file",
            .cluster { $0.passphrase = $1 }
        ),
        connection(
            .insecureSkipTLSVerify,
            .toggle,
            "accepts any server, whatever its certificate: for experiments only"
        ),
        connection(.user, .value("NAME[:PASSWORD]"), "authenticates; without a password and a file of it, asks for it"),
        Setting("password", .secret, "the password of the user stands in this file", .cluster { $0.password = $1 }),
        connection(.dialTimeout, .value("TIME"), "for one attempt to connect, such as 500ms or 2s (default: 2s)"),
        connection(
            .commandTimeout,
            .value("TIME"),
            "for the answer to one probe (default: 2s), or to one operation of a benchmark (5s)"
        ),
    ]

    private static let api = [
        program("api-host", .value("ADDRESS"), "where the API listens (default: 127.0.0.1, so only this machine)") {
            $0.apiHost = try filled($1)
        },
        program("api-port", .value("PORT"), "… and its port (default: 8080; 0 for any that is free)") {
            guard let port = UInt16($1) else { throw UsageError("\"\($1)\" is not a port (0 to 65535)") }
            $0.apiPort = port
        },
        program("api-cert", .value("FILE"), "serves by TLS with this certificate …") { $0.apiCertificate = $1 },
        program("api-key", .value("FILE"), "… whose key is in this file") { $0.apiKey = $1 },
        program("api-client-ca", .value("FILE"), "serves only clients with a certificate of these authorities") {
            $0.apiClientAuthorities = $1
        },
        secret("api-token", "serves only requests with the bearer token in this file, to read") {
            _ = try token($1.value())
            $0.apiToken = $1
        },
        secret("api-admin-token", "… or with the one in this file, to read and to change") {
            _ = try token($1.value())
            $0.apiAdminTokens["admin"] = $1
        },
        program(
            "cors-origin",
            .list("ORIGIN"),
            "lets pages of this origin, such as https://ops.example, use the API; may be repeated"
        ) { $0.corsOrigins.append($1) },
        program("allow-benchmark", .toggle, "lets administrators run benchmarks through the API; they make load") {
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

    /// A text that is not empty.
    static func filled(_ text: String) throws -> String {
        if text.isEmpty { throw UsageError("it is empty") }
        return text
    }

    /// The value of a flag that is not empty.
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
