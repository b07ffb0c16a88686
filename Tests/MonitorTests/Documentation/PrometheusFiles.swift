// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// The files of Docs/monitoring, and the programs that read them.
enum PrometheusFiles {
    static let folder = Repository.url("Docs/monitoring")

    static let rules = ["etcd-rules.yaml", "etcd-monitor-rules.yaml"]

    static func path(_ file: String) -> String { folder.appending(path: file).path }

    static func text(_ file: String) throws -> String { try String(contentsOfFile: path(file), encoding: .utf8) }

    /// The path of the first of these programs that is installed.
    static func program(_ names: String...) -> String? {
        let path = (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let folders = path + ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
        return names.lazy.flatMap { name in folders.map { "\($0)/\(name)" } }
            .first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs a program to its end.
    static func run(_ program: String?, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let process = Process()
        let output = Pipe()
        process.executableURL = URL(fileURLWithPath: try #require(program))
        process.arguments = arguments
        process.standardOutput = output
        process.standardError = output
        try process.run()
        let data = try output.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        return (process.terminationStatus, String(decoding: data, as: UTF8.self))
    }
}

/// A rule of a file of rules, as far as the tests look at it.
struct PrometheusRule {
    var name = ""
    var isAlert = false
    var expression = ""
    /// The lines of comment above it.
    var comment = ""
    /// Its other values, such as `severity`, `code` and `runbook_url`, as they are written.
    var values: [String: String] = [:]

    /// Reads a file that is written as ours are: `expr` comes after the name, in one line or folded.
    static func all(in file: String) throws -> [PrometheusRule] {
        var rules: [PrometheusRule] = []
        var comment = ""
        var isExpression = false
        for line in try PrometheusFiles.text(file).split(separator: "\n") {
            let text = line.trimmingCharacters(in: .whitespaces)
            if text.hasPrefix("#") {
                comment += text.dropFirst() + "\n"
                continue
            }
            if let match = text.wholeMatch(of: /- (alert|record): (.+)/) {
                rules.append(PrometheusRule(name: String(match.output.2), isAlert: match.output.1 == "alert"))
                rules[rules.count - 1].comment = comment
                comment = ""
            }
            guard !rules.isEmpty else { continue }
            let last = rules.count - 1
            if let match = text.wholeMatch(of: /expr:(?: >-)?(.*)/) {
                isExpression = true
                rules[last].expression = match.output.1.trimmingCharacters(in: .whitespaces)
            } else if text.contains(/^(?:for|keep_firing_for|labels|annotations|- alert|- record|- name):/) {
                isExpression = false
                for match in text.matches(of: /(\w+): ([\w-]+)/) {
                    rules[last].values[String(match.output.1)] = String(match.output.2)
                }
            } else if isExpression {
                rules[last].expression += " " + text
            } else if let match = text.wholeMatch(of: /(\w+): (.+)/) {
                rules[last].values[String(match.output.1)] = match.output.2.trimmingCharacters(in: ["\""])
            }
        }
        return rules
    }

    /// The names of the metrics in an expression of PromQL.
    static func metrics(in expression: String) -> Set<String> {
        let bare = expression.replacing(/"(?:[^"\\]|\\.)*"/, with: "")
            .replacing(/\{[^}]*\}/, with: " ")
            .replacing(/\[[^\]]*\]/, with: " ")
            .replacing(/\b(?:by|without|on|ignoring|group_left|group_right) *\([^)]*\)/, with: " ")
        let keywords: Set = ["and", "or", "unless", "bool", "offset"]
        var names: Set<String> = []
        var rest = bare[...]
        while let start = rest.firstIndex(where: { $0.isLetter || $0.isNumber || $0 == "_" }) {
            let word = rest[start...].prefix { $0.isLetter || $0.isNumber || "_:.".contains($0) }
            rest = rest[word.endIndex...]
            // A word before a parenthesis is a function, and one that begins with a digit a number or a duration.
            let isFunction = rest.first { $0 != " " } == "("
            if let first = word.first, !first.isNumber, !isFunction, !keywords.contains(String(word)) {
                names.insert(String(word))
            }
        }
        return names
    }
}
