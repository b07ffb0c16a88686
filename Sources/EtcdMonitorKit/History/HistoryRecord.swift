// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The part of a snapshot that a database stores, as a line of JSON, which can contain any text.
struct HistoryRecord: Encodable {
    private struct Found: Encodable {
        let code, subject, verdict, summary: String
        let member: String?
        let since: Double
    }

    private struct Change: Encodable {
        let time: Double
        let term: UInt64
        let from, to: String?
    }

    private let cluster, verdict: String
    private let time: Double
    private let seconds: Double?
    private let voters, healthyVoters: Int
    private let leader: String?
    private let term: UInt64?
    /// By member, which is empty for the whole cluster, and by figure.
    private let figures: [String: [String: Double]]
    private let findings: [Found]
    private let leaderChanges: [Change]

    /// Makes a record; nil for a snapshot without a usable time.
    init?(_ snapshot: MonitorSnapshot) {
        guard let time = snapshot.time.stored else { return nil }
        self.time = time
        cluster = snapshot.cluster.stored
        verdict = snapshot.verdict.rawValue
        seconds = snapshot.pollSeconds.isFinite ? snapshot.pollSeconds : nil
        voters = snapshot.quorum.voters
        healthyVoters = snapshot.quorum.healthyVoters
        leader = snapshot.leader?.memberID.stored
        term = snapshot.leader?.term
        var figures = ["": snapshot.metrics.stored]
        for member in snapshot.members { figures[member.id.stored] = member.metrics.stored }
        self.figures = figures
        findings = snapshot.findings.map { finding in
            Found(
                code: finding.code.rawValue,
                subject: finding.id.subject.stored,
                verdict: finding.verdict.rawValue,
                summary: finding.summary.stored,
                member: finding.memberID?.stored,
                since: finding.since.stored ?? time
            )
        }
        leaderChanges = snapshot.leaderHistory.compactMap { change in
            change.time.stored.map {
                Change(time: $0, term: change.term, from: change.from?.stored, to: change.to?.stored)
            }
        }
    }

    /// The records as data for `COPY`, one per line.
    static func lines(of records: [HistoryRecord]) throws(HistorySinkError) -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        var lines = ""
        for record in records {
            guard let line = try? encoder.encode(record) else { throw HistorySinkError("a poll cannot be encoded") }
            lines += String(decoding: line, as: UTF8.self).replacing("\\", with: "\\\\") + "\n"
        }
        return lines
    }
}

extension String {
    /// The text as PostgreSQL can store it: without NUL characters, and short enough for an index.
    fileprivate var stored: String {
        var text = String.UnicodeScalarView()
        text.append(contentsOf: unicodeScalars.lazy.filter { $0 != "\0" }.prefix(200))
        return String(text)
    }
}

extension Date {
    /// The seconds since 1970; nil for an impossible time.
    fileprivate var stored: Double? {
        let seconds = timeIntervalSince1970
        return (0...253_402_300_799).contains(seconds) ? seconds : nil
    }
}

extension [Figure: Double] {
    fileprivate var stored: [String: Double] {
        reduce(into: [:]) { stored, figure in
            if figure.value.isFinite { stored[figure.key.rawValue] = figure.value }
        }
    }
}
