// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The candidates that believed to lead, with times of one clock, and the further facts for the check.
struct TermHistory: Sendable {
    typealias Instant = ContinuousClock.Instant

    /// One term, as its leader has seen it.
    struct Stint: Sendable {
        let member: Int
        let token: Revision
        let elected: Instant
        var lost: (at: Instant, reason: CoordinationLoss.Reason)?
    }

    /// Two believed to lead at once.
    struct Overlap: Sendable, CustomStringConvertible {
        let older: Stint
        let newer: Stint
        let length: Duration

        var description: String {
            "member \(older.member) (\(older.token), ended by \(older.lost.map { "\($0.reason)" } ?? "nothing")) and "
                + "member \(newer.member) (\(newer.token)) led together for \(length)"
        }
    }

    var stints: [Stint] = []
    /// The terms whose key or lease was taken away from outside, which the leader learns by a watch only.
    var stolen: Set<Revision> = []
    /// When a member of etcd that was frozen as the leader of its cluster went on: until it knows that it no longer
    /// leads, it may end leases that are alive (etcd-io/etcd#15247).
    var awakenings: [Instant] = []
    /// When a member was cut off, so that it could not learn of the end of its lease.
    var isolations: [(member: Int, from: Instant, to: Instant)] = []
    /// Terms that were seen to be believed in at the same time.
    var sightings: Set<[Revision]> = []
    /// The tokens of the guarded writes, in the order in which they took effect.
    var writes: [Revision] = []
    /// Events that should not have happened at all.
    var surprises: [String] = []

    /// How long after an awakening a live lease may be ended.
    static let afterEffect = Duration.seconds(5)

    /// An action of another than the leader on the leadership, which no clock of the leader can foresee.
    private func isExcused(_ older: Stint, by newer: Stint) -> Bool {
        if stolen.contains(older.token) { return true }
        return awakenings.contains { awakening in
            let wasCutOff = isolations.contains {
                $0.member == older.member && $0.from < newer.elected && $0.to > awakening
            }
            let hasHeard = older.lost.map { [.keyDeleted, .leaseEnded, .guardFailed].contains($0.reason) } ?? false
            return awakening <= newer.elected && newer.elected < awakening + Self.afterEffect && (hasHeard || wasCutOff)
        }
    }

    /// The times in which two believed to lead, those that have an excuse apart.
    var overlaps: (excused: [Overlap], violations: [Overlap]) {
        let ordered = stints.sorted { $0.elected < $1.elected }
        var found: (excused: [Overlap], violations: [Overlap]) = ([], [])
        for (place, newer) in ordered.enumerated() {
            for older in ordered[..<place] {
                let end = min(older.lost?.at ?? .now, newer.lost?.at ?? .now)
                guard end > newer.elected else { continue }
                let overlap = Overlap(older: older, newer: newer, length: end - newer.elected)
                if isExcused(older, by: newer) {
                    found.excused.append(overlap)
                } else {
                    found.violations.append(overlap)
                }
            }
        }
        return found
    }

    /// Everything that contradicts the guarantees.
    var violations: [String] {
        var violations = surprises + overlaps.violations.map(\.description)
        let ordered = stints.sorted { $0.elected < $1.elected }
        violations += stints.filter { $0.lost == nil }.map { "member \($0.member) never lost \($0.token)" }
        for (earlier, later) in zip(ordered, ordered.dropFirst())
        where earlier.token >= later.token && !stolen.contains(later.token) {
            violations.append("the token \(later.token) after \(earlier.token)")
        }
        for tokens in sightings {
            let seen = tokens.compactMap { token in stints.first { $0.token == token } }
            guard let older = seen.min(by: { $0.elected < $1.elected }),
                let newer = seen.max(by: { $0.elected < $1.elected }), seen.count == 2
            else {
                violations.append("seen to lead at once: \(tokens)")
                continue
            }
            if !isExcused(older, by: newer) { violations.append("seen to lead at once: \(older) and \(newer)") }
        }
        for (earlier, later) in zip(writes, writes.dropFirst()) where earlier > later {
            violations.append("a guarded write of \(later) after one of \(earlier)")
        }
        return violations
    }
}
