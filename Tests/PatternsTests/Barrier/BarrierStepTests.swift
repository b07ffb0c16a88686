// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

@Suite("DoubleBarrier: steps", .unit)
struct BarrierStepTests {
    private func member(_ number: Int64, _ value: String, changed: Int64? = nil) throws -> BarrierMember {
        var entry = KeyValue()
        entry.key = Key("m\(number)")
        entry.value = Value(value)
        (entry.createRevision, entry.modRevision) = (Revision(rawValue: number), Revision(rawValue: changed ?? number))
        return try BarrierMember(entry)
    }

    @Test("the last required participant admits all, and no other one does")
    func entering() throws {
        let members = try (1...4).map { try member($0, "3 waiting 0") }
        let all = BarrierStep.advance(Array(members.prefix(3)), to: .inside, round: 1)
        #expect(BarrierStep(for: "m3", among: members.reversed(), until: .inside) == all)
        for key in ["m1", "m2", "m4"] as [Key] {
            #expect(BarrierStep(for: key, among: members, until: .inside) == .wait)
        }
        #expect(BarrierStep(for: "m2", among: Array(members.prefix(2)), until: .inside) == .wait)
        #expect(BarrierStep(for: "m5", among: members, until: .inside) == nil)
        // Participants of another round do not count.
        let mixed = try [member(1, "2 inside 1"), member(2, "2 leaving 1"), member(3, "2 waiting 0")]
        #expect(BarrierStep(for: "m3", among: mixed, until: .inside) == .wait)
        #expect(BarrierStep(for: "m1", among: mixed, until: .inside) == .arrived)
    }

    @Test("the last participant that is done lets all leave; a missing one breaks the round")
    func leaving() throws {
        let inside = try member(1, "3 inside 1", changed: 4)
        let done = try [member(1, "3 leaving 1", changed: 7), member(2, "3 leaving 1", changed: 6)]
        let last = try member(3, "3 leaving 1", changed: 5)
        let other = try member(9, "3 leaving 9")
        #expect(BarrierStep(for: "m2", among: [inside, done[1], last, other], until: .left) == .wait)
        let all = BarrierStep.advance(done + [last], to: .left, round: 1)
        #expect(BarrierStep(for: "m1", among: done + [last, other], until: .left) == all)
        #expect(BarrierStep(for: "m2", among: done + [last, other], until: .left) == .wait)
        #expect(BarrierStep(for: "m1", among: done + [other], until: .left) == .broken)
        // A participant that is out stays out, whichever others have gone on already.
        #expect(BarrierStep(for: "m1", among: [try member(1, "3 left 1"), other], until: .left) == .arrived)
    }

    @Test(
        "an invalid value of a participant is refused",
        arguments: ["", "3", "3 waiting", "x waiting 0", "3 dancing 0", "3 inside x", "3 inside 1 2"]
    )
    func values(value: String) {
        #expect(throws: EtcdError.self) { try member(1, value) }
    }
}
