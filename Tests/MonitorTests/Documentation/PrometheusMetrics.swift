// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

/// A row of Docs/monitoring/metrics-by-version.md: a metric of etcd, and the releases that have it.
struct PrometheusMetric {
    let name: String
    let type: String
    /// For 3.4, 3.5, 3.6 and 3.7: `yes`, `no`, or the first release that has it.
    let cells: [String]
    let note: String

    static let lines = ["3.4", "3.5", "3.6", "3.7"]

    /// The metrics that are not etcd's.
    static let foreign: [String: String] = [
        "up": "of Prometheus",
        "ALERTS": "of Prometheus",
        "probe_ssl_earliest_cert_expiry": "of the blackbox exporter",
    ]

    static func table() throws -> [String: PrometheusMetric] {
        let page = try PrometheusFiles.text("metrics-by-version.md")
        let rows = page.split(separator: "\n").compactMap { line -> PrometheusMetric? in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 7, cells[0].hasPrefix("`") else { return nil }
            let name = cells[0].trimmingCharacters(in: ["`"])
            return PrometheusMetric(name: name, type: cells[1], cells: Array(cells[2..<6]), note: cells[6])
        }
        return Dictionary(rows.map { ($0.name, $0) }) { first, second in
            Issue.record("\(first.name) has two rows")
            return second
        }
    }

    /// The metric that a name in an expression belongs to.
    static func find(_ name: String, in table: [String: PrometheusMetric]) -> PrometheusMetric? {
        if let metric = table[name] { return metric }
        let base = table[name.replacing(/_(?:bucket|sum|count)$/, with: "")]
        return base?.type == "histogram" ? base : nil
    }

    /// Whether it is served from the start, and not only after something has happened.
    var isThereFromTheStart: Bool { !note.contains("after the first") }

    /// The releases since when it exists; empty if all have it.
    var since: [String] {
        let first = cells.filter { $0 != "yes" && $0 != "no" }
        guard cells.first == "no", let index = cells.firstIndex(where: { $0 != "no" }) else { return first }
        return first.isEmpty ? [Self.lines[index]] : first
    }

    /// Whether a release, such as `3.5.16`, has it.
    func exists(in release: String) throws -> Bool {
        let line = release.split(separator: ".").prefix(2).joined(separator: ".")
        let cell = cells[try #require(Self.lines.firstIndex(of: line), "\(release) is not in the table")]
        return cell == "yes" || cell != "no" && cell.compare(release, options: .numeric) != .orderedDescending
    }
}
