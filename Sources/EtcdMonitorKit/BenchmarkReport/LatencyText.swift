// SPDX-License-Identifier: Apache-2.0

/// A histogram of latencies as text: its percentiles, and its rows as bars.
enum LatencyText {
    private typealias Format = BenchmarkFormat

    /// The percentiles that reports show.
    static func percentiles(of latency: BenchmarkHistogram) -> [(name: String, time: Duration)] {
        let shares = [("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99), ("p99.9", 0.999)]
        return shares.map { ($0, latency.quantile($1)) }
    }

    /// The text of a histogram that is not empty.
    ///
    /// - Parameters:
    ///   - latency: The histogram.
    ///   - remark: A remark after the number of times.
    /// - Returns: The lines.
    static func of(_ latency: BenchmarkHistogram, _ remark: String = "") -> String {
        let cells = [("mean", latency.mean)] + percentiles(of: latency) + [("max", latency.maximum)]
        let texts = cells.map { (name: $0.0, time: Format.milliseconds($0.1)) }
        let widths = texts.map { max($0.name.count, $0.time.count) }
        let names = zip(texts, widths).map { left($0.name, $1) }.joined(separator: "  ")
        let times = zip(texts, widths).map { left($0.time, $1) }.joined(separator: "  ")
        let title = "LATENCY of \(Format.number(Double(latency.count)))\(remark)"
        return ([title, "  \(names)", "  \(times)", ""] + bars(latency)).joined(separator: "\n")
    }

    /// A line for each row: its bounds, its bar, its share, and the share of all times up to it.
    private static func bars(_ latency: BenchmarkHistogram) -> [String] {
        let rows = LatencyRows([latency]).rows
        let most = Double(rows.compactMap(\.counts.first).max() ?? 1)
        var seen = 0.0
        return rows.map { row in
            let count = Double(row.counts.first ?? 0)
            seen += count
            let all = Double(max(latency.count, 1))
            let bounds = "\(left(Format.number(row.lowerBound), 6)) – \(left(Format.number(row.upperBound), 6)) ms"
            let drawn = right(bar(count / max(most, 1), width: 40), 40)
            return "  \(bounds)  \(drawn)  \(left(Format.share(count / all), 7))  \(left(Format.share(seen / all), 7))"
        }
    }

    /// A bar in eighths of a column.
    ///
    /// A bar of a positive share is never empty.
    private static func bar(_ share: Double, width: Int) -> String {
        guard share > 0 else { return "" }
        let eighths = max(1, Int((min(share, 1) * Double(width * 8)).rounded()))
        let parts = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"]
        return String(repeating: "█", count: eighths / 8) + parts[eighths % 8]
    }

    // MARK: Columns

    /// The text, right-aligned to a width.
    static func left(_ text: String, _ width: Int) -> String {
        String(repeating: " ", count: max(0, width - text.count)) + text
    }

    /// The text, left-aligned to a width.
    static func right(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(0, width - text.count))
    }

    /// The line without trailing spaces.
    static func trimmed(_ line: String) -> String { String(line.reversed().drop { $0 == " " }.reversed()) }
}
