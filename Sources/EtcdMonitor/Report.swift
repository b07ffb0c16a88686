// SPDX-License-Identifier: Apache-2.0

import EtcdMonitorKit
import Foundation

/// A snapshot as text for people.
struct Report {
    let snapshot: MonitorSnapshot
    let terminal: Terminal

    /// The text, without a line break at its end.
    var text: String {
        var parts = [heading, members]
        if !snapshot.findings.isEmpty { parts.append(snapshot.findings.map(text).joined(separator: "\n\n")) }
        return parts.joined(separator: "\n\n")
    }

    private var heading: String {
        let quorum = snapshot.quorum
        let name = terminal.strong(snapshot.cluster)
        return """
            \(name): \(terminal.mark(snapshot.verdict)) at \(snapshot.time.inSeconds)
              quorum  \(quorum.state.rawValue): \(quorum.healthyVoters) of \(quorum.voters) voters work, \(tolerance)
              leader  \(leader)
            """
    }

    private var tolerance: String {
        switch snapshot.quorum.faultTolerance {
        case ..<0: "too few for a majority"
        case 0: "no further failure tolerated"
        case let count: "\(count) further failure\(count == 1 ? "" : "s") tolerated"
        }
    }

    private var leader: String {
        guard let leader = snapshot.leader else { return "none" }
        let name = leader.name.isEmpty ? leader.memberID : "\(leader.name) (\(leader.memberID))"
        return "\(name) in term \(leader.term), since \(leader.since.inSeconds) at the latest"
    }

    private var members: String {
        let heads = ["MEMBER", "ROLE", "VERDICT", "VERSION", "DATABASE", "READ", "MAJORITY READ", "ENDPOINT"]
        let rows = snapshot.members.map { member in
            [
                member.name.isEmpty ? member.id : member.name,
                member.role.rawValue,
                member.verdict.rawValue,
                member.version ?? "-",
                member.metrics[.databaseBytes].map(Self.size) ?? "-",
                Self.time(member.probes["serializable-read"]),
                Self.time(member.probes["linearizable-read"]),
                member.endpoint ?? "-",
            ]
        }
        let widths = heads.indices.map { column in ([heads] + rows).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String], _ verdict: Verdict?) -> String {
            let texts = zip(cells.indices, zip(cells, widths)).map { column, cell in
                if column == 2, let verdict { return terminal.mark(verdict, width: cell.1) }
                return cell.0.padded(to: column == cells.count - 1 ? 0 : cell.1)
            }
            return "  \(texts.joined(separator: "  "))"
        }
        let lines = zip(rows, snapshot.members).map { line($0, $1.verdict) }
        return ([terminal.strong(line(heads, nil))] + lines).joined(separator: "\n")
    }

    private func text(_ finding: Finding) -> String {
        var lines = [
            "  \(terminal.mark(finding.verdict, width: 8))  \(terminal.strong(finding.id.description))",
            finding.summary.wrapped(to: 100, indentation: 12),
        ]
        let evidence = finding.evidence.sorted { $0.key < $1.key }.map { "\($0.key) \(Self.number($0.value))" }
        let facts = (["since \(finding.since.inSeconds)"] + evidence).joined(separator: ", ")
        lines.append(facts.wrapped(to: 100, indentation: 12))
        if !finding.advice.isEmpty { lines.append("Advice: \(finding.advice)".wrapped(to: 100, indentation: 12)) }
        return lines.joined(separator: "\n")
    }

    /// The latency of a probe, or the reason why it has no answer.
    private static func time(_ result: ProbeResult?) -> String {
        if let failure = result?.failure { return failure.reason.rawValue }
        return result?.seconds.map { "\(number($0 * 1000)) ms" } ?? "-"
    }

    static func size(_ bytes: Double) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var (value, unit) = (bytes, 0)
        while value >= 1024, unit < units.count - 1 { (value, unit) = (value / 1024, unit + 1) }
        return "\(number(value)) \(units[unit])"
    }

    /// A number with three significant digits, without trailing zeros.
    static func number(_ value: Double) -> String {
        value.formatted(
            .number.precision(.significantDigits(1...(abs(value) >= 1000 ? 12 : 3))).grouping(.never)
                .locale(Locale(identifier: "en_US_POSIX"))
        )
    }
}

extension Terminal {
    /// A checklist as text, without a line break at its end.
    func text(of report: ReadinessReport) -> String {
        let heading = "\(strong(report.cluster)): \(mark(report.outcome)) for production, at \(report.time.inSeconds)"
        let lines = report.checks.map { check in
            let advice = check.advice.map { "\n" + "Advice: \($0)".wrapped(to: 100, indentation: 11) } ?? ""
            let evidence = check.evidence.wrapped(to: 100, indentation: 11)
            return "  \(mark(check.outcome, width: 7))  \(check.title)\n\(evidence)\(advice)"
        }
        return ([heading] + lines).joined(separator: "\n")
    }

    private func mark(_ outcome: ReadinessReport.Outcome, width: Int = 0) -> String {
        let code =
            switch outcome {
            case .pass: 32
            case .unknown: 35
            case .warn: 33
            case .fail: 31
            }
        return coloured(outcome.rawValue.padded(to: width), code)
    }
}

extension Date {
    /// The time in UTC, such as `2026-11-29T10:40:02Z`.
    var inSeconds: String { formatted(.iso8601) }
}
