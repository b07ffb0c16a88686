// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A weekly time in which some alerts are muted.
///
/// Alerts that fire when it ends are sent then. For a single window, use a ``Silence`` that starts later.
public struct MaintenanceWindow: Sendable, Hashable {
    /// A day of the week.
    public enum Weekday: Int, Sendable, Hashable, CaseIterable {
        case sunday = 1, monday, tuesday, wednesday, thursday, friday, saturday
    }

    /// The name, for people.
    public var name: String
    /// The days on which it starts.
    public var days: Set<Weekday>
    /// The hour at which it starts, from 0 to 23.
    public var hour: Int
    /// The minute at which it starts, from 0 to 59.
    public var minute: Int
    /// Its duration; at most a week.
    public var duration: Duration
    /// The time zone of the hour and the days.
    public var timeZone: TimeZone
    /// The conditions that an alert must meet, all of them; empty for every alert.
    public var matchers: [AlertMatcher]

    /// Makes a window.
    ///
    /// - Parameters:
    ///   - name: The name, for people.
    ///   - days: The days on which it starts.
    ///   - hour: The hour at which it starts, from 0 to 23.
    ///   - minute: The minute at which it starts, from 0 to 59.
    ///   - duration: Its duration; at most a week.
    ///   - timeZone: The time zone of the hour and the days.
    ///   - matchers: The conditions that an alert must meet, all of them.
    public init(
        _ name: String,
        on days: Set<Weekday> = Set(Weekday.allCases),
        hour: Int,
        minute: Int = 0,
        lasting duration: Duration,
        in timeZone: TimeZone = .gmt,
        matching matchers: [AlertMatcher] = []
    ) {
        self.name = name
        self.days = days
        self.hour = hour
        self.minute = minute
        self.duration = duration
        self.timeZone = timeZone
        self.matchers = matchers
    }

    /// Whether a time lies in the window.
    ///
    /// The window starts by the clock of its time zone. If that hour does not exist, it starts one hour later. Its
    /// duration does not change when the clocks change meanwhile.
    func contains(_ time: Date) -> Bool {
        let seconds = min(duration.boundedSeconds, 7 * 86_400)
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = timeZone
        // Days of 25 hours need one more day.
        for age in 0...Int(seconds / 86_400) + 1 {
            guard let day = calendar.date(byAdding: .day, value: -age, to: time) else { continue }
            var parts = calendar.dateComponents([.era, .year, .month, .day, .weekday], from: day)
            guard let weekday = Weekday(rawValue: parts.weekday ?? 0), days.contains(weekday) else { continue }
            parts.weekday = nil
            parts.hour = hour
            parts.minute = minute
            guard let start = calendar.date(from: parts) else { continue }
            if start <= time, time < start + seconds { return true }
        }
        return false
    }
}
