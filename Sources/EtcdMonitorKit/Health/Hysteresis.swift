// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Turns suspicions, which may change with each poll, into stable findings.
///
/// A finding is raised when enough of the last polls agree and the suspicion has lasted long enough. It ends after as
/// many polls in a row without it, so a suspicion in every second poll does not make it flap. A new verdict of an open
/// finding must last as long. A poll without data does not change an open finding.
struct Hysteresis: Sendable {
    private struct Entry: Sendable {
        /// The verdicts of the last polls, the newest last; nil for no suspicion.
        var history: [Verdict?] = []
        let since: Date
        let sinceUptime: Duration
        var latest: Suspicion
        /// The verdict of the finding; nil while it is only a suspicion.
        var verdict: Verdict?
    }

    private var entries: [Finding.ID: Entry] = [:]
    private let needed: Int
    private let considered: Int

    init(_ thresholds: Thresholds) {
        needed = max(thresholds.pollsNeeded, 1)
        considered = max(thresholds.pollsConsidered, needed)
    }

    /// The findings that are open.
    var openFindings: Set<Finding.ID> { Set(entries.filter { $1.verdict != nil }.keys) }

    /// Records a poll.
    ///
    /// - Parameters:
    ///   - suspicions: The suspicions of the poll.
    ///   - time: The wall-clock time when the poll began.
    ///   - uptime: The time of the monotonic clock when the poll began.
    ///   - isGone: Whether the subject of a finding no longer exists.
    ///   - isJudgeable: Whether the poll had new data of the kind that the finding needs.
    /// - Returns: The open findings, the worst first.
    mutating func update(
        _ suspicions: [Suspicion],
        time: Date,
        uptime: Duration,
        isGone: (Suspicion) -> Bool,
        isJudgeable: (Suspicion) -> Bool
    ) -> [Finding] {
        // Of two suspicions about the same thing, the worse one counts.
        let suspected = Dictionary(suspicions.map { ($0.id, $0) }) { $0.verdict < $1.verdict ? $1 : $0 }
        // Metrics of an earlier poll have counted then.
        for (id, suspicion) in suspected where id.code.source != .metrics || isJudgeable(suspicion) {
            var entry = entries[id] ?? Entry(since: time, sinceUptime: uptime, latest: suspicion)
            entry.latest = suspicion
            note(suspicion.verdict, in: &entry)
            if entry.verdict == nil {
                let isAgreed = entry.history.count { $0 != nil } >= needed
                let hasLasted = uptime - entry.sinceUptime >= .threshold(suspicion.holdFor)
                if suspicion.isImmediate || isAgreed && hasLasted { entry.verdict = suspicion.verdict }
            } else if suspicion.isImmediate || newest(needed, of: entry, are: suspicion.verdict) {
                entry.verdict = suspicion.verdict
            }
            entries[id] = entry
        }
        for (id, var entry) in entries where suspected[id] == nil {
            // A suspicion that has not lasted long enough ends at the first poll without it.
            if isGone(entry.latest) || entry.verdict == nil && entry.latest.holdFor > 0 {
                entries[id] = nil
            } else if entry.verdict == nil || isJudgeable(entry.latest) {
                note(nil, in: &entry)
                // Hashes are compared hours apart: one good comparison ends the finding of one bad comparison.
                let isOver = newest(id.code.source == .hash ? 1 : needed, of: entry, are: nil)
                entries[id] = isOver ? nil : entry
            }
        }
        return entries.values.compactMap(finding).sorted(by: Finding.isWorse)
    }

    private func note(_ verdict: Verdict?, in entry: inout Entry) {
        entry.history.append(verdict)
        if entry.history.count > considered { entry.history.removeFirst() }
    }

    private func newest(_ count: Int, of entry: Entry, are verdict: Verdict?) -> Bool {
        entry.history.count >= count && entry.history.suffix(count).allSatisfy { $0 == verdict }
    }

    private func finding(of entry: Entry) -> Finding? {
        guard let verdict = entry.verdict else { return nil }
        let latest = entry.latest
        return Finding(
            latest.id,
            verdict,
            latest.summary,
            memberID: latest.memberID,
            since: entry.since,
            evidence: latest.evidence
        )
    }
}

extension Finding {
    /// The order in which findings are shown: by verdict, by kind in the order of ``Code``, and by subject.
    static func isWorse(_ left: Finding, _ right: Finding) -> Bool {
        if left.verdict != right.verdict { return left.verdict > right.verdict }
        if left.code != right.code { return left.code.position < right.code.position }
        return left.id.subject < right.id.subject
    }
}

extension Finding.Code {
    private static let positions = Dictionary(uniqueKeysWithValues: allCases.enumerated().map { ($1, $0) })

    fileprivate var position: Int { Self.positions[self] ?? 0 }
}
