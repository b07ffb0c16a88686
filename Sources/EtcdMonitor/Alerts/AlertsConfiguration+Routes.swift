// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit
import Foundation

/// The routes, and the conditions on alerts.
extension AlertsConfiguration {
    /// Reads a route, once for each pair of a cluster and a rule that it names.
    mutating func routes(_ value: ConfigurationValue, rules: Set<String>) throws(UsageError) -> [AlertRoute] {
        let (routes, channels) = try value.object { fields throws(UsageError) in
            var channels: [ConfigurationValue] = []
            let steps = try Self.steps(&fields, &channels)
            let severity = try fields["severity"]?.choice(of: AlertSeverity.self) ?? .warning
            let interval = try fields["repeatInterval"]?.time(atLeast: "1s")
            let continues = try fields["continue"]?.flag() ?? false
            let routes = try Self.conditions(&fields, rules: rules).map { matchers in
                AlertRoute(
                    to: steps,
                    severity: severity,
                    matching: matchers,
                    repeatInterval: interval,
                    continues: continues
                )
            }
            return (routes, channels)
        }
        for place in channels { named.append((try place.text(), place)) }
        return routes
    }

    /// Reads the channels of a route, in steps or as one list, and records the place of each name.
    private static func steps(
        _ fields: inout ConfigurationFields,
        _ places: inout [ConfigurationValue]
    ) throws(UsageError) -> [AlertRoute.Step] {
        let (channels, steps) = (fields["channels"], fields["steps"])
        guard (channels == nil) != (steps == nil) else {
            throw fields.error("it needs either \"channels\" or \"steps\"")
        }
        if let channels {
            places = try channels.list()
            return [AlertRoute.Step(try channels.texts())]
        }
        var result: [AlertRoute.Step] = []
        for step in try steps?.list() ?? [] {
            let (found, channels) = try step.object { fields throws(UsageError) in
                let channels = try fields.required("channels")
                return (AlertRoute.Step(try channels.texts(), after: try fields["after"]?.time() ?? .zero), channels)
            }
            result.append(found)
            places += try channels.list()
        }
        if result.isEmpty { throw fields.error("it has no steps") }
        return result
    }

    /// The conditions of the fields `clusters`, `rules` and `labels`.
    ///
    /// An alert must meet all conditions of one list.
    static func conditions(
        _ fields: inout ConfigurationFields,
        rules: Set<String>
    ) throws(UsageError) -> [[AlertMatcher]] {
        var lists = [try fields["labels"].map { value throws(UsageError) in try matchers(value, rules: rules) } ?? []]
        for (key, label) in [("clusters", "cluster"), ("rules", "alertname")] {
            guard let values = fields[key] else { continue }
            if try values.texts().isEmpty { continue }
            let found = try values.list().map { value throws(UsageError) in try matcher(label, value, rules: rules) }
            lists = lists.flatMap { list in found.map { list + [$0] } }
        }
        return lists
    }

    /// The labels that the program's alerts may have.
    static let labels = ["alertname", "channel", "cluster", "code", "member", "subject"]

    /// The conditions of an object whose keys are labels.
    static func matchers(_ value: ConfigurationValue, rules: Set<String>) throws(UsageError) -> [AlertMatcher] {
        try value.entries().map { label, value throws(UsageError) in
            let known = labels + ["severity"]
            if !known.contains(label) { throw value.unknown(label, among: known) }
            return try matcher(label, value, rules: rules)
        }
    }

    /// A condition on one label.
    ///
    /// A pattern for names of rules must match at least one; otherwise it is a mistake.
    private static func matcher(
        _ label: String,
        _ value: ConfigurationValue,
        rules: Set<String>
    ) throws(UsageError) -> AlertMatcher {
        let pattern = try value.anyText()
        let matcher = AlertMatcher(label, pattern)
        if label == "alertname" {
            let alerts = rules.map {
                Alert($0, cluster: "", AlertRule.Match(summary: ""), severity: .info, since: .now)
            }
            if !alerts.contains(where: matcher.matches) { throw value.unknown(pattern, among: rules) }
        }
        return matcher
    }
}
