// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdMonitorKit
import Foundation

/// The reasons why alerts are muted: inhibitions and maintenance windows.
extension AlertsConfiguration {
    static func inhibition(
        _ fields: inout ConfigurationFields,
        rules: Set<String>
    ) throws(UsageError) -> AlertInhibition {
        let (source, target) = (try fields.required("source"), try fields.required("target"))
        let matchers = (try matchers(source, rules: rules), try matchers(target, rules: rules))
        if matchers.0.isEmpty { throw source.error("it is empty") }
        if matchers.1.isEmpty { throw target.error("it is empty") }
        guard let equal = fields["equal"] else { return AlertInhibition(matchers.0, mutes: matchers.1) }
        for label in try equal.list() where !labels.contains(try label.text()) {
            throw label.unknown(try label.text(), among: labels)
        }
        return AlertInhibition(matchers.0, mutes: matchers.1, equal: try equal.texts())
    }

    /// Reads a window, once for each pair of a cluster and a rule that it names.
    static func windows(
        _ fields: inout ConfigurationFields,
        rules: Set<String>
    ) throws(UsageError) -> [MaintenanceWindow] {
        let name = try fields.required("name").text()
        let days = try fields["days"].map { value throws(UsageError) in
            let list = try value.list()
            if list.isEmpty { throw value.error("it is empty") }
            return Set(try list.map { value throws(UsageError) in try value.choice(among: weekdays) })
        }
        let (hour, minute) = try time(of: fields.required("at"))
        let lasting = try fields.required("lasts")
        let duration = try lasting.time(atLeast: "1s")
        if duration > .seconds(7 * 24 * 3600) { throw lasting.error("it is more than a week") }
        let zone = try fields["timeZone"].map { value throws(UsageError) in
            let name = try value.text()
            guard let zone = TimeZone(identifier: name) else {
                throw value.unknown(name, among: TimeZone.knownTimeZoneIdentifiers)
            }
            return zone
        }
        return try conditions(&fields, rules: rules).map { matchers in
            MaintenanceWindow(
                name,
                on: days ?? Set(MaintenanceWindow.Weekday.allCases),
                hour: hour,
                minute: minute,
                lasting: duration,
                in: zone ?? .gmt,
                matching: matchers
            )
        }
    }

    private static let weekdays: [String: MaintenanceWindow.Weekday] = [
        "mon": .monday, "tue": .tuesday, "wed": .wednesday, "thu": .thursday, "fri": .friday, "sat": .saturday,
        "sun": .sunday,
    ]

    /// The hour and the minute of a time of the day.
    private static func time(of value: ConfigurationValue) throws(UsageError) -> (hour: Int, minute: Int) {
        let text = try value.text()
        guard let match = text.wholeMatch(of: /(\d\d):(\d\d)/), let hour = Int(match.output.1),
            let minute = Int(match.output.2), hour < 24, minute < 60
        else {
            throw value.error("\"\(text)\" is not a time of the day, such as 22:00")
        }
        return (hour, minute)
    }
}
