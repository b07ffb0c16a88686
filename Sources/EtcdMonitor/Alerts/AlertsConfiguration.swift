// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// The configuration of alerts: the object `alerts` of the configuration file, and channels from flags.
struct AlertsConfiguration: Sendable {
    var options = AlertCenter.Options()
    private(set) var channels: [String: any AlertChannel] = [:]
    /// The channels that the file defines, with their places.
    private var described: [String: ConfigurationValue] = [:]
    /// The channels that routes name, with their places.
    var named: [(channel: String, place: ConfigurationValue)] = []

    init() {}

    init(_ value: ConfigurationValue) throws(UsageError) {
        self = try value.object { fields throws(UsageError) in
            var alerts = AlertsConfiguration()
            try alerts.read(&fields)
            return alerts
        }
    }

    private mutating func read(_ fields: inout ConfigurationFields) throws(UsageError) {
        options.stateFile = try fields["stateFile"]?.text()
        options.externalURL = try fields["externalUrl"]?.text()
        if let base = try fields["runbookBase"]?.text() { options.runbookBase = base }
        if let time = try fields["interval"]?.time(atLeast: "100ms") { options.interval = time }
        if let time = try fields["groupWait"]?.time() { options.groupWait = time }
        if let time = try fields["groupInterval"]?.time() { options.groupInterval = time }
        if let time = try fields["repeatInterval"]?.time(atLeast: "1s") { options.repeatInterval = time }
        if let time = try fields["restartGrace"]?.time() { options.restartGrace = time }
        for (name, value) in try fields["channels"]?.entries() ?? [] {
            guard ClusterSettings.isName(name) else {
                throw value.error("a name must consist of letters, digits, \"-\", \"_\" and \".\"")
            }
            channels[name] = try value.object(Self.channel)
            described[name] = value
        }
        let names = try readRules(fields["rules"]?.list() ?? [])
        if let values = try fields["routes"]?.list() {
            var all: [AlertRoute] = []
            for value in values { all += try routes(value, rules: names) }
            options.routes = all
        }
        for value in try fields["inhibitions"]?.list() ?? [] {
            options.inhibitions.append(
                try value.object { fields throws(UsageError) in try Self.inhibition(&fields, rules: names) }
            )
        }
        for value in try fields["maintenance"]?.list() ?? [] {
            options.maintenanceWindows += try value.object { fields throws(UsageError) in
                try Self.windows(&fields, rules: names)
            }
        }
        if try fields["watchdog"]?.flag() == false { options.rules.removeAll { $0.name == AlertRule.watchdog.name } }
    }

    /// Adds a channel from a flag or the environment.
    ///
    /// It replaces one from a weaker source.
    mutating func add(_ name: String, _ channel: any AlertChannel) throws(UsageError) {
        if described[name] != nil { throw UsageError("the file also has a channel \"\(name)\"") }
        channels[name] = channel
    }

    // MARK: Checks

    /// Refuses routes to channels that do not exist, and channels without a route.
    func checkNames() throws(UsageError) {
        for (channel, place) in named where channels[channel] == nil {
            throw channels.isEmpty ? place.error("there is no channel") : place.unknown(channel, among: channels.keys)
        }
        // Without routes, all channels receive alerts.
        if options.routes != nil, let name = Set(channels.keys).subtracting(named.map(\.channel)).min() {
            throw described[name]?.error("no route leads to it")
                ?? UsageError("no route leads to the channel \"\(name)\"")
        }
    }

    /// Refuses a channel that does not exist or has invalid settings.
    func check(_ name: String) throws(UsageError) {
        guard let channel = channels[name] else {
            let names = channels.keys.sorted().joined(separator: ", ")
            throw UsageError(
                "there is no channel \"\(name)\"" + (names.isEmpty ? " and no other" : "; there are: \(names)")
            )
        }
        do {
            try channel.check()
        } catch {
            throw UsageError("the channel \"\(name)\": \(error.message)")
        }
    }

    /// Whether alerts go to the standard output.
    ///
    /// All other output then goes to the standard error.
    var ownsOutput: Bool { channels.values.contains { $0 is ConsoleChannel } }
}
