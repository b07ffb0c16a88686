// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Unicode.Scalar {
    /// A terminal or a log shows it, instead of obeying it.
    var isShown: Bool {
        switch properties.generalCategory {
        case .control, .format, .lineSeparator, .paragraphSeparator: false
        default: true
        }
    }
}

extension String {
    /// The text in one line: one space for all that is between words, and nothing that is not shown.
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

    /// The text, with an ellipsis instead of what is beyond a number of Unicode scalars.
    ///
    /// One `Character` may have any length, so these are not counted.
    func cut(to limit: Int) -> String {
        if unicodeScalars.count <= limit { return self }
        return String(unicodeScalars.prefix(max(limit - 1, 0))) + "…"
    }

    /// It leads somewhere in a browser; one that is very long is none of ours.
    var isWebURL: Bool {
        (hasPrefix("https://") || hasPrefix("http://")) && utf8.count <= 2000
            && utf8.allSatisfy { $0.isVisible && !"<>\"\\^`{|}".utf8.contains($0) }
    }
}

extension Date {
    /// The moment as in RFC 3339, in UTC with milliseconds; those before 1970 and after 9999 become the nearest.
    var rfc3339: String {
        let seconds = timeIntervalSince1970
        let bounded = seconds.isNaN ? 0 : min(max(seconds, 0), 253_402_300_799)
        return Date(timeIntervalSince1970: bounded).formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
    }
}
