// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The values that the query of a request may have.
enum Parameters {
    /// The parameter is there and says yes: `?strict`, `?strict=true` or `?strict=1`.
    static func flag(_ name: String, of request: HTTPRequest) throws(Problem) -> Bool {
        switch request.query[name] {
        case nil, "false", "0": return false
        case "", "true", "1": return true
        case .some(let text): throw Problem(.invalidParameter, "\(name)=\(text): it is true or false")
        }
    }

    /// A moment: RFC 3339 or seconds since 1970; nil if the parameter is not there.
    static func time(_ name: String, of request: HTTPRequest) throws(Problem) -> Date? {
        guard let text = request.query[name] else { return nil }
        // RFC 3339 goes to the end of the year 9999.
        if let seconds = number(text), (0..<253_402_300_800).contains(seconds) {
            return Date(timeIntervalSince1970: seconds)
        }
        // In a query, a "+" that is not escaped is a space.
        guard let date = date(text.replacing(" ", with: "+")) else {
            let detail = "\(name)=\(text): it is a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
            throw Problem(.invalidParameter, detail)
        }
        return date
    }

    /// The moment that a text of RFC 3339 says; nil if it says none.
    static func date(_ text: String) -> Date? {
        let stamp = text.uppercased()
        let shape = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)/
        guard let match = stamp.wholeMatch(of: shape) else { return nil }
        return try? Date(stamp, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: match.1 != nil))
    }

    /// A stretch of time: seconds, or a whole number with its unit, such as `30s`, `5m`, `1h` or `1d`; nil if the
    /// parameter is not there.
    static func seconds(_ name: String, of request: HTTPRequest) throws(Problem) -> Double? {
        guard let text = request.query[name] else { return nil }
        if let seconds = number(text), seconds > 0, seconds < 1e6 { return seconds }
        guard let seconds = seconds(text) else {
            throw Problem(.invalidParameter, "\(name)=\(text): it is seconds, or a time such as 30s, 5m, 1h or 1d")
        }
        return seconds
    }

    /// The seconds that a whole number with its unit stands for; nil for another text.
    static func seconds(_ text: String) -> Double? {
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let match = text.wholeMatch(of: /([1-9][0-9]{0,5})([smhd])/), let count = Double(match.1),
            let unit = units[match.2]
        else { return nil }
        return count * unit
    }

    /// A whole number in a range; nil if the parameter is not there.
    static func count(_ name: String, in range: ClosedRange<Int>, of request: HTTPRequest) throws(Problem) -> Int? {
        guard let text = request.query[name] else { return nil }
        guard text.wholeMatch(of: /[0-9]{1,9}/) != nil, let count = Int(text), range.contains(count) else {
            let detail = "\(name)=\(text): it is a number from \(range.lowerBound) to \(range.upperBound)"
            throw Problem(.invalidParameter, detail)
        }
        return count
    }

    /// One of several words; nil if the parameter is not there.
    static func choice<Choice: RawRepresentable<String>>(
        _ name: String,
        among choices: [Choice],
        of request: HTTPRequest
    ) throws(Problem) -> Choice? {
        guard let text = request.query[name] else { return nil }
        guard let choice = choices.first(where: { $0.rawValue == text }) else {
            let words = choices.map(\.rawValue).joined(separator: ", ")
            throw Problem(.invalidParameter, "\(name)=\(text): it is one of \(words)")
        }
        return choice
    }

    /// A decimal number; neither infinite nor in another notation that Swift would take.
    private static func number(_ text: String) -> Double? {
        text.utf8.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) } ? Double(text) : nil
    }
}
