// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation

/// An output for text, which may be coloured.
struct Terminal: Sendable {
    let isColoured: Bool
    /// Whether it is the standard error instead of the standard output.
    var isForErrors = false

    /// The standard output, or the standard error: coloured if it is a terminal and nothing requests plain text.
    static func standard(isForErrors: Bool, environment: [String: String]) -> Terminal {
        let isPlain = !(environment["NO_COLOR"] ?? "").isEmpty || environment["TERM"] == "dumb"
        let isTerminal = isatty(isForErrors ? STDERR_FILENO : STDOUT_FILENO) == 1
        return Terminal(isColoured: isTerminal && !isPlain, isForErrors: isForErrors)
    }

    /// Prints a line without buffering, even if the output is a pipe.
    ///
    /// A closed output is not an error.
    func show(_ line: String) {
        let output = isForErrors ? FileHandle.standardError : FileHandle.standardOutput
        try? output.write(contentsOf: Data("\(line)\n".utf8))
    }

    /// A verdict in its colour, padded to a width.
    func mark(_ verdict: Verdict, width: Int = 0) -> String {
        let code =
            switch verdict {
            case .ok: 32
            case .unknown: 35
            case .degraded: 33
            case .critical: 31
            }
        return coloured(verdict.rawValue.padded(to: width), code)
    }

    /// A heading.
    func strong(_ text: String) -> String { coloured(text, 1) }

    /// The text in a colour or another style, given by its ANSI number.
    func coloured(_ text: String, _ code: Int) -> String { isColoured ? "\u{1b}[\(code)m\(text)\u{1b}[0m" : text }
}

extension String {
    /// The text, padded with spaces to a width.
    func padded(to width: Int) -> String { self + String(repeating: " ", count: max(0, width - count)) }

    /// The text in lines of a width, each indented.
    func wrapped(to width: Int, indentation: Int) -> String {
        var lines: [String] = []
        for word in split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= width - indentation {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines.map { String(repeating: " ", count: indentation) + $0 }.joined(separator: "\n")
    }
}
