// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Parses the parameters of a request's query.
enum Parameters {
    /// Whether a flag is set: `?strict`, `?strict=true` or `?strict=1`.
    static func flag(_ name: String, of request: HTTPRequest) throws(Problem) -> Bool {
        switch request.query[name] {
        case nil, "false", "0": return false
        case "", "true", "1": return true
        case .some(let text): throw Problem(.invalidParameter, "\(name)=\(text): must be true or false")
        }
    }

    /// A time: RFC 3339 or seconds since 1970; nil if the parameter is missing.
    static func time(_ name: String, of request: HTTPRequest) throws(Problem) -> Date? {
        guard let text = request.query[name] else { return nil }
        // RFC 3339 ends with the year 9999.
        if let seconds = number(text), (0..<253_402_300_800).contains(seconds) {
            return Date(timeIntervalSince1970: seconds)
        }
        // In a query, an unescaped "+" is a space.
        guard let date = date(text.replacing(" ", with: "+")) else {
            let detail = "\(name)=\(text): must be a time such as 2026-01-31T12:00:00Z, or seconds since 1970"
            throw Problem(.invalidParameter, detail)
        }
        return date
    }

    /// The time of an RFC 3339 text; nil for another text.
    static func date(_ text: String) -> Date? {
        let stamp = text.uppercased()
        let shape = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)/
        guard let match = stamp.wholeMatch(of: shape) else { return nil }
        return try? Date(stamp, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: match.1 != nil))
    }

    /// A duration: seconds, or a whole number with a unit, such as `30s`, `5m`, `1h` or `1d`; nil if the parameter is
    /// missing.
    static func seconds(_ name: String, of request: HTTPRequest) throws(Problem) -> Double? {
        guard let text = request.query[name] else { return nil }
        if let seconds = number(text), seconds > 0, seconds < 1e6 { return seconds }
        guard let seconds = seconds(text) else {
            throw Problem(.invalidParameter, "\(name)=\(text): must be seconds, or a time such as 30s, 5m, 1h or 1d")
        }
        return seconds
    }

    /// The seconds of a whole number with a unit; nil for another text.
    static func seconds(_ text: String) -> Double? {
        let units: [Substring: Double] = ["s": 1, "m": 60, "h": 3600, "d": 86_400]
        guard let match = text.wholeMatch(of: /([1-9][0-9]{0,5})([smhd])/), let count = Double(match.1),
            let unit = units[match.2]
        else { return nil }
        return count * unit
    }

    /// A whole number in a range; nil if the parameter is missing.
    static func count(_ name: String, in range: ClosedRange<Int>, of request: HTTPRequest) throws(Problem) -> Int? {
        guard let text = request.query[name] else { return nil }
        guard text.wholeMatch(of: /[0-9]{1,9}/) != nil, let count = Int(text), range.contains(count) else {
            let detail = "\(name)=\(text): must be a number from \(range.lowerBound) to \(range.upperBound)"
            throw Problem(.invalidParameter, detail)
        }
        return count
    }

    /// One of several words; nil if the parameter is missing.
    static func choice<Choice: RawRepresentable<String>>(
        _ name: String,
        among choices: [Choice],
        of request: HTTPRequest
    ) throws(Problem) -> Choice? {
        guard let text = request.query[name] else { return nil }
        guard let choice = choices.first(where: { $0.rawValue == text }) else {
            let words = choices.map(\.rawValue).joined(separator: ", ")
            throw Problem(.invalidParameter, "\(name)=\(text): must be one of \(words)")
        }
        return choice
    }

    /// A finite decimal number, without Swift's other notations.
    private static func number(_ text: String) -> Double? {
        text.utf8.allSatisfy { (48...57).contains($0) || "+-.eE".utf8.contains($0) } ? Double(text) : nil
    }
}
