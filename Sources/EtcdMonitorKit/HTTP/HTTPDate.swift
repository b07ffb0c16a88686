// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Dates in the format of HTTP, such as `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110, section 5.6.7).
enum HTTPDate {
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

    /// Formats a date, clamped to the years 1970 through 9999.
    static func text(_ date: Date) -> String {
        let seconds = Int(min(max(date.timeIntervalSince1970, 0), 253_402_300_799))
        let (days, time) = seconds.quotientAndRemainder(dividingBy: 86400)
        // Years start in March, so that the leap day comes last; there are 719,468 days between 0000-03-01 and 1970.
        let era = (days + 719_468) / 146_097
        let dayOfEra = (days + 719_468) % 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = (monthFromMarch + 2) % 12
        let year = era * 400 + yearOfEra + (month < 2 ? 1 : 0)
        func padded(_ number: Int, _ width: Int = 2) -> String {
            let digits = String(number)
            return String(repeating: "0", count: max(width - digits.count, 0)) + digits
        }
        let clock = "\(padded(time / 3600)):\(padded(time / 60 % 60)):\(padded(time % 60))"
        return "\(weekdays[days % 7]), \(padded(day)) \(months[month]) \(padded(year, 4)) \(clock) GMT"
    }

    /// Parses a date in the format of ``text(_:)``; nil for other texts.
    static func read(_ text: String) -> Date? {
        let bytes = Array(text.utf8)
        guard bytes.count == 29 else { return nil }
        func number(_ range: Range<Int>) -> Int? {
            let digits = bytes[range].compactMap(\.digit)
            return digits.count == range.count ? digits.reduce(0) { $0 * 10 + $1 } : nil
        }
        let monthName = String(decoding: bytes[8..<11], as: UTF8.self)
        guard let day = number(5..<7), let month = months.firstIndex(of: monthName), let year = number(12..<16),
            let hour = number(17..<19), let minute = number(20..<22), let second = number(23..<25), year >= 1970
        else { return nil }
        let shifted = month < 2 ? year - 1 : year
        let days = 365 * shifted + shifted / 4 - shifted / 100 + shifted / 400
        let dayOfYear = (153 * ((month + 10) % 12) + 2) / 5 + day - 1
        let date = Date(
            timeIntervalSince1970: Double((days + dayOfYear - 719_468) * 86400 + hour * 3600 + minute * 60 + second)
        )
        // If formatting gives a different text, the text had another format, or was not a date.
        return self.text(date) == text ? date : nil
    }
}
