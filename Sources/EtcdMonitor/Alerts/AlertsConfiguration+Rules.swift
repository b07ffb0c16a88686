// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit

/// The rules: changes of the rules for findings, and custom thresholds.
extension AlertsConfiguration {
    /// Reads rules.
    ///
    /// Returns the names of all rules, including disabled ones.
    mutating func readRules(_ values: [ConfigurationValue]) throws(UsageError) -> Set<String> {
        var changed: Set<String> = []
        var names = Set(options.rules.map(\.name) + [AlertRule.channelFailed.name])
        for value in values {
            let (rule, isOfFinding, isEnabled) = try value.object(Self.rule)
            let isTaken = isOfFinding ? changed.contains(rule.name) : names.contains(rule.name)
            if isTaken { throw value.error("there are two rules \"\(rule.name)\"") }
            changed.insert(rule.name)
            names.insert(rule.name)
            options.rules.removeAll { $0.name == rule.name }
            if isEnabled { options.rules.append(rule) }
        }
        return names
    }

    private static func rule(
        _ fields: inout ConfigurationFields
    ) throws(UsageError) -> (rule: AlertRule, isOfFinding: Bool, isEnabled: Bool) {
        let severity = try fields["severity"]?.choice(of: AlertSeverity.self)
        let hold = try fields["holdsFor"]?.time() ?? .zero
        let keep = try fields["keepsFiringFor"]?.time() ?? .zero
        let isEnabled = try fields["enabled"]?.flag() ?? true
        if let code = try fields["finding"]?.choice(of: Finding.Code.self) {
            return (.finding(code, severity: severity, holdsFor: hold, keepsFiringFor: keep), true, isEnabled)
        }
        guard let place = fields["name"] else { throw fields.error("it needs \"finding\" or \"name\"") }
        let name = try place.text()
        guard name.wholeMatch(of: /[A-Za-z][A-Za-z0-9_]*/) != nil else {
            throw place.error("a name must consist of letters, digits and \"_\", and start with a letter")
        }
        let rule = AlertRule.threshold(
            name,
            try fields.required("figure").choice(of: Figure.self),
            of: try fields["scope"]?.choice(of: AlertRule.Scope.self) ?? .cluster,
            try limit(&fields),
            severity: severity ?? .warning,
            holdsFor: hold,
            keepsFiringFor: keep,
            summary: try fields["summary"]?.text(),
            runbook: try fields["runbook"]?.text()
        )
        return (rule, false, isEnabled)
    }

    private static func limit(_ fields: inout ConfigurationFields) throws(UsageError) -> AlertRule.Limit {
        switch (try fields["above"]?.number(), try fields["below"]?.number()) {
        case (let limit?, nil): return .above(limit)
        case (nil, let limit?): return .below(limit)
        default: throw fields.error("it needs either \"above\" or \"below\"")
        }
    }
}
