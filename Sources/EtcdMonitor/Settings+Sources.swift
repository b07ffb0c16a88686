// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit

/// A value of a setting, and its place.
struct Assignment: Sendable {
    let setting: Setting
    let text: String
    /// The file that contains the text; nil if the text was given itself.
    let file: String?
    /// The name of the place in messages, such as `--api-port` or `monitor.json: apiPort`.
    let place: String

    /// The text as a secret.
    ///
    /// If it is in a file, the file is read again each time.
    var secret: Secret { file.map { .file($0) } ?? Secret(text) }
}

/// The settings of one source.
struct SettingsLayer: Sendable {
    var assignments: [Assignment] = []
    /// The settings of single clusters, including their endpoints.
    var clusters: [String: [Assignment]] = [:]
    /// The object `alerts`, which only the file has.
    var alerts: AlertsConfiguration?
    /// The tokens of administrators by name, which only the file has.
    var adminTokens: [String: Secret] = [:]

    /// The clusters that this source names, in the order of their names; empty if it names none.
    fileprivate func endpoints() throws(UsageError) -> [(name: String, endpoints: [Endpoint])] {
        var found: [String: [Endpoint]] = [:]
        func add(_ name: String, _ list: String, _ place: String) throws(UsageError) {
            if found[name] != nil { throw UsageError("\(place): there are two clusters \"\(name)\"") }
            var flags = ConnectionFlags()
            try naming(place) { try flags.set(.endpoints, to: list) }
            found[name] = flags.endpoints
        }
        for assignment in assignments {
            if assignment.setting.name == Setting.endpoints.name {
                try add(ClusterMonitor.Options().name, assignment.text, assignment.place)
            } else if assignment.setting.name == Setting.cluster.name {
                let parts = assignment.text.split(separator: "=", maxSplits: 1).map(String.init)
                guard parts.count == 2, ClusterSettings.isName(parts[0]) else {
                    throw UsageError(
                        "\(assignment.place): write NAME=ENDPOINTS, with a NAME of letters, digits, \"-\", \"_\" and \".\""
                    )
                }
                try add(parts[0], parts[1], assignment.place)
            }
        }
        for (name, assignments) in clusters {
            let endpoints = assignments.last { $0.setting.name == Setting.endpoints.name }
            if let endpoints { try add(name, endpoints.text, endpoints.place) }
        }
        return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}

extension Settings {
    /// Combines all sources: a flag overrides the environment, and the environment overrides the configuration file.
    ///
    /// - Parameters:
    ///   - arguments: The arguments, without the name of the program.
    ///   - environment: The environment variables.
    /// - Throws: ``UsageError``, which names the error and its place.
    init(_ arguments: some Sequence<String>, environment: [String: String]) throws(UsageError) {
        self.init()
        let (flags, file) = try readFlags(arguments)
        if command == .help || command == .version { return }
        var layers = [try Self.layer(of: environment), flags]
        if let file = file ?? environment["ETCD_MONITOR_CONFIG"] {
            layers.insert(try ConfigurationFile(path: file, environment: environment).layer(), at: 0)
        }
        try apply(layers)
        try check()
    }

    /// Parses the arguments, and sets the settings that only arguments have.
    private mutating func readFlags(
        _ arguments: some Sequence<String>
    ) throws(UsageError) -> (SettingsLayer, file: String?) {
        var layer = SettingsLayer()
        var file: String?
        var reader = FlagReader(arguments)
        var seen: Set<String> = []
        let settings = Dictionary(
            uniqueKeysWithValues: Setting.all.compactMap { setting in setting.flag.map { ($0, setting) } }
        )
        while let flag = reader.next() {
            let setting = settings[flag]
            if !seen.insert(flag).inserted, setting?.isList != true { throw UsageError("\(flag) is given twice") }
            switch flag {
            case "--help", "-h": command = .help
            case "--version": command = .version
            case "--once": try choose(.once)
            case "--doctor": try choose(.doctor)
            case "--alive": try choose(.alive)
            case "--test-alert": try choose(.testAlert(try reader.value()))
            case "--run-benchmark": try choose(.benchmark)
            case "--fsync-probe": try choose(.probeDisk(try Setting.filled(reader.value(), of: flag)))
            case "--demo": isDemo = true
            case "--json": isJSON = true
            case "--config": file = try reader.value()
            default:
                guard let setting else {
                    let own = Self.commands + ["--help", "--version", "--demo", "--json", "--config"]
                    throw reader.unknown(among: settings.keys.sorted() + own)
                }
                let text = if case .toggle = setting.kind { reader.switchValue } else { try reader.value() }
                layer.assignments.append(try Self.assignment(of: setting, text, isFile: setting.isSecret, at: flag))
            }
        }
        let benchmark = layer.assignments.first { assignment in
            Setting.benchmark.contains { $0.name == assignment.setting.name }
        }
        // The environment and the file may be for other commands, too.
        if let benchmark, command != .benchmark { throw UsageError("\(benchmark.place) needs --run-benchmark") }
        if seen.isSuperset(of: ["--benchmark-ops", "--benchmark-duration"]) {
            throw UsageError("--benchmark-ops and --benchmark-duration exclude each other")
        }
        return (layer, file)
    }

    private static let commands = ["--once", "--doctor", "--test-alert", "--alive", "--run-benchmark", "--fsync-probe"]

    private mutating func choose(_ command: Command) throws(UsageError) {
        if self.command == .help || self.command == .version { return }
        if self.command != .serve {
            let others = Self.commands.dropLast().joined(separator: ", ")
            throw UsageError("\(others) and \(Self.commands.last ?? "") exclude each other")
        }
        self.command = command
    }

    /// Reads the environment.
    ///
    /// Unknown variables are ignored: Kubernetes sets some with this prefix for a service of this name.
    private static func layer(of environment: [String: String]) throws(UsageError) -> SettingsLayer {
        var layer = SettingsLayer()
        for setting in Setting.all {
            guard let variable = setting.variable else { continue }
            for (name, isFile) in [(variable, false), ("\(variable)_FILE", true)] where !isFile || setting.isSecret {
                guard let text = environment[name] else { continue }
                let texts = setting.isList ? text.split(separator: " ").map(String.init) : [text]
                for text in texts {
                    layer.assignments.append(try assignment(of: setting, text, isFile: isFile, at: name))
                }
            }
        }
        return layer
    }

    /// Makes an assignment; if `text` is the path of a file, with the content of the file.
    static func assignment(
        of setting: Setting,
        _ text: String,
        isFile: Bool,
        at place: String
    ) throws(UsageError) -> Assignment {
        let content = isFile ? try naming(place) { try Secret.file(text).value() } : text
        return Assignment(setting: setting, text: content, file: isFile ? text : nil, place: place)
    }

    /// Applies all sources, from the weakest to the strongest.
    private mutating func apply(_ layers: [SettingsLayer]) throws(UsageError) {
        for layer in layers {
            // A list of a stronger source replaces the previous one.
            if layer.assignments.contains(where: { $0.setting.name == "cors-origin" }) { corsOrigins = [] }
            if let alerts = layer.alerts { self.alerts = alerts }
            apiAdminTokens.merge(layer.adminTokens) { $1 }
            for assignment in layer.assignments {
                try naming(assignment.place) {
                    switch assignment.setting.target {
                    case .program(let change): try change(&self, assignment.text)
                    case .secret(let change): try change(&self, assignment.secret)
                    case .cluster, .clusterSecret, .clusters: break
                    }
                }
            }
        }
        var named: [(name: String, endpoints: [Endpoint])] = []
        for layer in layers.reversed() where named.isEmpty { named = try layer.endpoints() }
        if isDemo {
            if !named.isEmpty { throw UsageError("--demo starts its own etcd and cannot be combined with endpoints") }
            named = [("demo", [])]
        }
        for (name, endpoints) in named {
            var cluster = ClusterSettings(name: name, endpoints: endpoints)
            // An operation may take longer than a probe.
            if command == .benchmark { cluster.connection.commandTimeout = ConnectionFlags().commandTimeout }
            try cluster.apply(layers)
            clusters.append(cluster)
        }
    }
}

extension ClusterSettings {
    /// Applies all sources, from the weakest to the strongest.
    ///
    /// In a source, the settings of this cluster are stronger.
    mutating func apply(_ layers: [SettingsLayer]) throws(UsageError) {
        for assignment in layers.flatMap({ $0.assignments + ($0.clusters[options.name] ?? []) }) {
            switch assignment.setting.target {
            case .cluster(let change): try naming(assignment.place) { try change(&self, assignment.text) }
            case .clusterSecret(let change): change(&self, assignment.secret)
            case .program, .secret, .clusters: break
            }
        }
    }

    /// Whether a cluster can have this name, which appears in URLs and file names.
    static func isName(_ text: String) -> Bool {
        (1...63).contains(text.count) && text != "." && text != ".."
            && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) || "-_.".contains($0) }
    }
}
