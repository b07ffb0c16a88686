// SPDX-License-Identifier: Apache-2.0

import Foundation

extension String {
    /// The text in one line, escaped for HTML: between tags or in an attribute with double quotes.
    var inHTML: String {
        var html = ""
        for scalar in oneLine.cut(to: 2000).unicodeScalars {
            switch scalar {
            case "&": html += "&amp;"
            case "<": html += "&lt;"
            case ">": html += "&gt;"
            case "\"": html += "&quot;"
            case "'": html += "&#39;"
            default: html.unicodeScalars.append(scalar)
            }
        }
        return html
    }
}

/// Figures, times and durations for people.
enum MailFigure {
    /// A figure whose name ends with its unit: `silentSeconds` becomes `silent`, with `1.5 min` for 90.
    static func text(_ name: String, _ value: Double) -> (name: String, value: String) {
        let words = words(name)
        for (unit, format) in units {
            if words == unit { return (words, format(value)) }
            if words.hasSuffix(" \(unit)") { return (String(words.dropLast(unit.count + 1)), format(value)) }
        }
        return (words, number(value))
    }

    private static let units: [(String, @Sendable (Double) -> String)] = [
        ("bytes per second", { "\(bytes($0))/s" }), ("per second", { "\(number($0))/s" }), ("seconds", seconds),
        ("bytes", bytes), ("ratio", { "\(number($0 * 100)) %" }),
    ]

    static func seconds(_ value: Double) -> String {
        switch abs(value) {
        case ..<1: "\(number(value * 1000)) ms"
        case ..<90: "\(number(value)) s"
        case ..<(90 * 60): "\(number(value / 60)) min"
        case ..<(48 * 3600): "\(number(value / 3600)) h"
        default: "\(number(value / 86400)) days"
        }
    }

    private static func bytes(_ value: Double) -> String {
        switch abs(value) {
        case ..<1024: "\(number(value)) B"
        case ..<(1024 * 1024): "\(number(value / 1024)) KiB"
        case ..<(1024 * 1024 * 1024): "\(number(value / 1024 / 1024)) MiB"
        default: "\(number(value / 1024 / 1024 / 1024)) GiB"
        }
    }

    /// The number with one decimal from 10 on, and with three below.
    private static func number(_ value: Double) -> String {
        if !value.isFinite || abs(value) >= 1e15 { return "\(value)" }
        let digits = abs(value) < 10 ? 0...3 : 0...1
        return value.formatted(.number.precision(.fractionLength(digits)).locale(Locale(identifier: "en_US_POSIX")))
    }

    /// A name as words: `free bytes` for `freeBytes` and `free_bytes`.
    private static func words(_ name: String) -> String {
        var words = ""
        var last: Character = "_"
        for character in name {
            let isStart = ("A"..."Z").contains(character) && ("a"..."z").contains(last)
            words += character == "_" ? " " : isStart ? " \(character.lowercased())" : character.lowercased()
            last = character
        }
        return words
    }

    /// A time such as `29 Nov 2026, 18:36 UTC`.
    static func moment(_ date: Date) -> String {
        let parts = HTTPDate.text(date.orFirst).split(separator: " ")
        guard parts.count == 6 else { return "" }
        return "\(parts[1]) \(parts[2]) \(parts[3]), \(parts[4].prefix(5)) UTC"
    }
}

extension Date {
    /// The date, or that of 1970 if it is not a number.
    var orFirst: Date { timeIntervalSince1970.isNaN ? Date(timeIntervalSince1970: 0) : self }
}
