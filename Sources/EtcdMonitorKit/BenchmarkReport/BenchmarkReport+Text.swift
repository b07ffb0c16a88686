// SPDX-License-Identifier: Apache-2.0

import Foundation

extension BenchmarkReport {
    /// The report as text of at most about a hundred columns, without a line break at its end.
    public var text: String {
        var parts = [heading]
        let reason = result.options.rate == nil ? "" : ", from the intended starts"
        if result.latency.count > 0 { parts.append(LatencyText.of(result.latency, reason)) }
        parts.append(table(result.figures))
        if !result.errors.isEmpty { parts.append(errors) }
        if !checks.isEmpty { parts.append(limits) }
        if let comparison { parts.append(compared(comparison)) }
        return parts.joined(separator: "\n\n")
    }

    private typealias Format = BenchmarkFormat

    private var heading: String {
        let kind = result.options.kind
        let count = Format.count(result.operations, kind.noun)
        let rate = Format.number(result.operationsPerSecond)
        let failures = result.errorCount == 0 ? "no errors" : Format.count(result.errorCount, "error")
        var lines = ["\(kind.rawValue): \(count) in \(Format.time(result.duration)), \(rate) per second, \(failures)"]
        if let endReason { lines.append("  ended early: \(endReason.oneLine)") }
        if let failure = result.cleanupFailure { lines.append("  not cleaned up: \(failure.oneLine)") }
        for server in result.servers {
            let version = server.version.map { "etcd \($0.oneLine.cut(to: 40))" } ?? "no answer"
            lines.append("  \(version) at \(server.endpoint.oneLine.cut(to: 100))")
        }
        let parameters = result.parameters.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
        lines += Self.wrapped(parameters)
        return lines.joined(separator: "\n")
    }

    private var errors: String {
        "ERRORS\n"
            + table(
                result.errors.sorted { $0.key < $1.key }.map { ($0.oneLine.cut(to: 60), Format.number(Double($1))) }
            )
    }

    private var limits: String {
        let rows = checks.map { check in
            "  \(check.isMet ? "met   " : "missed")  \(check.figure) \(Format.number(check.value)), "
                + "\(check.isMinimum ? "at least" : "at most") \(Format.number(check.limit))"
        }
        return (["LIMITS"] + rows).joined(separator: "\n")
    }

    private func compared(_ comparison: BenchmarkComparison) -> String {
        let cells = changes.map { change in
            [
                change.figure, Format.number(change.baseline), Format.number(change.current),
                Format.change(change.change), change.isRegression ? "worse" : "",
            ]
        }
        let widths = (0..<4).map { column in cells.map { $0[column].count }.max() ?? 0 }
        let rows = cells.map { row in
            "  \(LatencyText.right(row[0], widths[0]))  \(LatencyText.left(row[1], widths[1])) → \(LatencyText.left(row[2], widths[2]))  "
                + "\(LatencyText.left(row[3], widths[3]))  \(row[4])"
        }
        let time = baseline.map { " with the run of \(MailFigure.moment($0.startTime))" } ?? ""
        let title = "COMPARED\(time), with a tolerance of \(Format.share(comparison.tolerance))"
        let differences = comparison.differences.map { "  other parameters: \($0.oneLine.cut(to: 100))" }
        return ([title] + rows.map(LatencyText.trimmed) + differences).joined(separator: "\n")
    }

    private func table(_ rows: [(name: String, value: String)]) -> String {
        let width = rows.map(\.name.count).max() ?? 0
        return rows.map { "  \(LatencyText.right($0.name, width))  \($0.value)" }.joined(separator: "\n")
    }

    /// The text in indented lines.
    private static func wrapped(_ text: String) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.count + 1 + word.count <= 100 {
                lines[lines.count - 1] += " \(word)"
            } else {
                lines.append("  \(word)")
            }
        }
        return lines
    }
}
