// SPDX-License-Identifier: Apache-2.0

import Foundation

extension BenchmarkReport {
    /// The report as a page that loads nothing and runs no script, for light and dark, wide and narrow screens.
    public var html: String {
        let title = "Benchmark: \(result.options.kind.rawValue)"
        let verdict = verdict
        let mark =
            verdict.text.isEmpty ? "" : "<p class=\"mark \(Self.style(verdict.isGood))\">\(verdict.text.inHTML)</p>"
        let failures = [endReason.map { "Ended early: \($0)" }, result.cleanupFailure.map { "Not cleaned up: \($0)" }]
        let warnings = failures.compactMap(\.self).map { "<p class=\"card bad\">\($0.oneLine.inHTML)</p>" }
        let sections = [
            tiles, "<div class=\"plots\">\(plots.map(\.html).joined(separator: "\n"))</div>", compared, limits, errors,
            Self.section("Parameters", Self.table([], (result.parameters + places).map { ([$0.name, $0.value], "") })),
            Self.section("More figures", Self.table([], result.figures.map { ([$0.name, $0.value], "") })),
        ]
        return """
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
            <title>\(title.inHTML)</title>
            <link rel="icon" href="data:,">
            <style>\(Self.styleSheet)</style>
            </head>
            <body>
            <main>
            <header><h1>\(title.inHTML)</h1>\(mark)</header>
            <p class="aside">\(subtitle.inHTML)</p>
            \((warnings + sections).joined(separator: "\n"))
            </main>
            </body>
            </html>

            """
    }

    private typealias Format = BenchmarkFormat

    private var subtitle: String {
        let count = Format.count(result.operations, result.options.kind.noun)
        let start = MailFigure.moment(result.startTime)
        return "\(count) in \(Format.time(result.duration)), from \(start), by etcd-kit \(result.clientVersion)"
    }

    private var places: [(name: String, value: String)] {
        result.servers.map { server in
            let size = server.databaseSize.map { ", database \(Format.bytes(Double($0)))" } ?? ""
            return (server.endpoint, server.version.map { "etcd \($0)\(size)" } ?? "no answer")
        }
    }

    /// The most important figures, with their changes.
    private var tiles: String {
        let kind = result.options.kind
        func time(_ time: Duration) -> String { result.latency.count > 0 ? Format.milliseconds(time) : "–" }
        var tiles = [("\(kind.noun)s per second", Format.number(result.operationsPerSecond), "ops_per_s")]
        tiles += LatencyText.percentiles(of: result.latency).filter { $0.name != "p90" }.map { name, value in
            (name, time(value), "\(name.replacing(".", with: ""))_ms")
        }
        tiles.append(("longest", time(result.latency.maximum), "max_ms"))
        let share = result.errorCount == 0 ? "0" : "\(Format.number(Double(result.errorCount)))"
        tiles.append(("errors", share, "error_ratio"))
        if let each = result.processorTimePerOperation {
            tiles.append(("client's CPU per \(kind.noun)", Format.time(each), "cpu_us_per_op"))
        }
        return "<dl class=\"tiles\">"
            + tiles.map { name, value, figure in
                let change = changes.first { $0.figure == figure && $0.change != nil }
                let text =
                    change.map { "<dd class=\"\(Self.style(of: $0))\">\(Format.change($0.change).inHTML)</dd>" } ?? ""
                return "<div class=\"card\"><dt>\(name.inHTML)</dt><dd class=\"big\">\(value.inHTML)</dd>\(text)</div>"
            }
            .joined() + "</dl>"
    }

    private var limits: String {
        if checks.isEmpty { return "" }
        let rows = checks.map { check in
            let bound = "\(check.isMinimum ? "at least" : "at most") \(Format.number(check.limit))"
            let style = Self.style(check.isMet)
            return ([check.figure, Format.number(check.value), bound, check.isMet ? "met" : "missed"], style)
        }
        return Self.section("Limits", Self.table(["Figure", "Value", "Limit", ""], rows))
    }

    private var errors: String {
        if result.errors.isEmpty { return "" }
        let rows = result.errors.sorted { $0.key < $1.key }.map { ([$0.key, Format.number(Double($0.value))], "") }
        return Self.section("Errors", Self.table(["Code", "Operations"], rows))
    }

    // MARK: Comparison

    private var compared: String {
        guard let comparison, let baseline else { return "" }
        let rows = changes.map { change in
            (
                [
                    change.figure, Format.number(change.baseline), Format.number(change.current),
                    Format.change(change.change), change.isRegression ? "worse" : "",
                ],
                Self.style(of: change)
            )
        }
        let time = MailFigure.moment(baseline.startTime)
        let title = "Compared with the run of \(time), with a tolerance of \(Format.share(comparison.tolerance))"
        let differences = comparison.differences.map { "<li>\($0.oneLine.inHTML)</li>" }.joined()
        let note =
            differences.isEmpty
            ? "" : "<p>These parameters differ, so the figures may differ too:</p><ul>\(differences)</ul>"
        return Self.section(
            title,
            note + bars(comparison) + Self.table(["Figure", "Before", "Now", "Change", ""], rows)
        )
    }

    /// A bar for each figure, from the middle to the right if it is better.
    private func bars(_ comparison: BenchmarkComparison) -> String {
        let changes = changes.filter { $0.change?.isFinite == true }
        let most = max(changes.map { abs($0.change ?? 0) }.max() ?? 0, comparison.tolerance, 0.001)
        let bars = changes.map { change in
            let share = min(abs(change.change ?? 0) / most, 1) * 50
            let isBetter = ((change.change ?? 0) >= 0) == change.isHigherBetter
            let place = "\(isBetter ? "left" : "right"):50%;width:\((share * 10).rounded() / 10)%"
            return
                "<li><span>\(change.figure.inHTML)</span><b><i class=\"\(Self.style(of: change))\" style=\"\(place)\"></i></b>"
                + "<span>\(Format.change(change.change).inHTML)</span></li>"
        }
        return "<ul class=\"bars\" aria-hidden=\"true\"><li class=\"aside\"><span></span>"
            + "<b class=\"ends\"><u>worse</u><u>better</u></b><span></span></li>\(bars.joined())</ul>"
    }

    // MARK: Parts

    private static func section(_ title: String, _ content: String) -> String {
        "<section class=\"card\"><h2>\(title.inHTML)</h2>\(content)</section>"
    }

    /// A table with a class for each row; without heads, it has no heading.
    private static func table(_ heads: [String], _ rows: [(cells: [String], style: String)]) -> String {
        let head = heads.map { "<th scope=\"col\">\($0.inHTML)</th>" }.joined()
        let body = rows.map { row in
            let cells = row.cells.dropFirst().map { "<td>\($0.inHTML)</td>" }.joined()
            return "<tr class=\"\(row.style)\"><th scope=\"row\">\((row.cells.first ?? "").inHTML)</th>\(cells)</tr>"
        }
        return "<div class=\"scroll\"><table>\(heads.isEmpty ? "" : "<thead><tr>\(head)</tr></thead>")"
            + "<tbody>\(body.joined(separator: "\n"))</tbody></table></div>"
    }

    private static func style(_ isGood: Bool) -> String { isGood ? "good" : "bad" }

    private static func style(of change: BenchmarkComparison.Change) -> String {
        if change.isRegression { return "bad" }
        guard let share = change.change, share != 0 else { return "same" }
        return (share > 0) == change.isHigherBetter ? "good" : "same"
    }
}
