// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Unicode.Scalar {
    /// Whether a terminal or a log shows it, instead of interpreting it.
    var isShown: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

extension String {
    /// The text in one line: white space becomes one space, and control characters are removed.
    var oneLine: String {
        var clean = String.UnicodeScalarView()
        for scalar in unicodeScalars {
            let isBlank = scalar.properties.isWhitespace
            if isBlank && (clean.last ?? " ") == " " || !isBlank && !scalar.isShown { continue }
            clean.append(isBlank ? " " : scalar)
        }
        if clean.last == " " { clean.removeLast() }
        return String(clean)
    }

    /// The text, with an ellipsis in place of everything beyond a number of Unicode scalars.
    ///
    /// A `Character` can have any length, so characters are not counted.
    func cut(to limit: Int) -> String {
        if unicodeScalars.count <= limit { return self }
        return String(unicodeScalars.prefix(max(limit - 1, 0))) + "…"
    }

    /// Whether it is a URL for a browser.
    ///
    /// The monitor makes no very long ones.
    var isWebURL: Bool {
        (hasPrefix("https://") || hasPrefix("http://")) && utf8.count <= 2000
            && utf8.allSatisfy { $0.isVisible && !"<>\"\\^`{|}".utf8.contains($0) }
    }
}

extension Date {
    /// The time in RFC 3339, in UTC with milliseconds, clamped to the years 1970 through 9999.
    var rfc3339: String {
        let seconds = timeIntervalSince1970
        let bounded = seconds.isNaN ? 0 : min(max(seconds, 0), 253_402_300_799)
        return Date(timeIntervalSince1970: bounded).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
