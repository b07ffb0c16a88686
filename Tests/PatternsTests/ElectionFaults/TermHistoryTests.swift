// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Testing

@Suite("TermHistory", .unit, .timeLimit(.minutes(2)))
struct TermHistoryTests {
    private static let start = ContinuousClock.now

    /// A term from a second to another.
    private func stint(
        _ token: Int64,
        _ elected: Double,
        _ lost: Double?,
        _ reason: CoordinationLoss.Reason = .deadline
    ) -> TermHistory.Stint {
        TermHistory.Stint(
            member: Int(token),
            token: Revision(rawValue: token),
            elected: Self.start + .seconds(elected),
            lost: lost.map { (Self.start + .seconds($0), reason) }
        )
    }

    @Test("terms one after the other are right")
    func sound() {
        let history = TermHistory(
            stints: [stint(1, 0, 2), stint(2, 2, 3, .released), stint(5, 4, 9)],
            writes: [1, 1, 5]
        )
        #expect(history.violations == [])
    }

    @Test(
        "terms that overlap are wrong, however they end",
        arguments: [
            CoordinationLoss.Reason.deadline, .keyDeleted, .leaseEnded, .released,
        ]
    )
    func overlap(reason: CoordinationLoss.Reason) {
        let history = TermHistory(stints: [stint(2, 2, 5), stint(1, 0, 2.25, reason)])
        #expect(history.violations.count == 1)
        #expect(history.overlaps.violations.first?.length == .milliseconds(250))
    }

    @Test("an overlap is excused after a deletion of the key or the return of an old leader of etcd, and is reported")
    func excuses() {
        var history = TermHistory(stints: [stint(1, 0, 3, .keyDeleted), stint(2, 2, 5)], stolen: [1])
        history.sightings = [[1, 2]]
        #expect(history.violations == [])
        #expect(history.overlaps.excused.first?.length == .seconds(1))
        history.stolen = [2]
        #expect(history.violations.count == 2)
        history.stolen = []
        history.awakenings = [Self.start + .seconds(1)]
        #expect(history.violations == [])
        for awakening in [-4.0, 2.5] {
            history.awakenings = [Self.start + .seconds(awakening)]
            #expect(history.violations.count == 2)
        }
        // A lease that the leader itself has not renewed is not excused.
        history.awakenings = [Self.start + .seconds(1)]
        history.stints[0].lost?.reason = .deadline
        #expect(history.violations.count == 2)
        // Unless it was cut off, and could neither renew nor learn of the end.
        history.isolations = [(1, Self.start, Self.start + .seconds(1.5))]
        #expect(history.violations == [])
        history.isolations = [(2, Self.start, Self.start + .seconds(1.5)), (1, Self.start, Self.start + .seconds(0.5))]
        #expect(history.violations.count == 2)
    }

    @Test("a term without an end, tokens that fall, a sighting, and a late write are wrong")
    func others() {
        #expect(TermHistory(stints: [stint(1, 0, nil)]).violations.count == 1)
        #expect(TermHistory(stints: [stint(2, 0, 1), stint(1, 2, 3)]).violations.count == 1)
        let terms = [stint(1, 0, 1), stint(2, 2, 3)]
        #expect(TermHistory(stints: terms, sightings: [[1, 2]]).violations.count == 1)
        #expect(TermHistory(stints: terms, writes: [1, 2, 1]).violations.count == 1)
        #expect(TermHistory(stints: terms, surprises: ["!"]).violations == ["!"])
    }
}
