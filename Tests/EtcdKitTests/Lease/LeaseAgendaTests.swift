// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// In virtual time: no clock runs here.
@Suite("LeaseAgenda", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct LeaseAgendaTests {
    private let start = MonotonicInstant.now

    private func at(_ seconds: Double) -> MonotonicInstant { start + .seconds(seconds) }

    private func lease(_ number: Int64) -> KeptLease { KeptLease(Lease.ID(rawValue: number)) }

    private func takeDue(_ agenda: inout LeaseAgenda, at seconds: Double) -> [Int64] {
        agenda.takeDue(at: at(seconds)).map(\.id.rawValue)
    }

    @Test("leases that are due within a slot come together, none early, and none later than a slot")
    func together() throws {
        var agenda = LeaseAgenda()
        for number in 0..<100 {
            _ = agenda.note(lease(Int64(number)), at: at(1 + 0.0001 * Double(number)), now: start)
        }
        var times: Set<MonotonicInstant> = []
        var numbers: [Int64] = []
        while let time = agenda.earliest {
            times.insert(time)
            let due = agenda.takeDue(at: time).map(\.id.rawValue)
            #expect(!due.isEmpty)
            for number in due {
                let late = time - at(1 + 0.0001 * Double(number))
                #expect((.zero...(.milliseconds(50))).contains(late))
            }
            numbers += due
        }
        #expect(numbers.sorted() == Array(0..<100))
        #expect(times.count <= 2)
    }

    @Test("a lease that is noted for an earlier time comes once, and a later note does not delay it")
    func moved() {
        var agenda = LeaseAgenda()
        let lease = lease(7)
        #expect(agenda.note(lease, at: at(3), now: start) != nil)
        #expect(agenda.note(lease, at: at(5), now: start) == nil)
        #expect(agenda.note(lease, at: at(1), now: start) != nil)
        #expect(takeDue(&agenda, at: 0.9) == [])
        #expect(takeDue(&agenda, at: 1.1) == [7])
        #expect(agenda.note(lease, at: at(3), now: at(1.1)) != nil, "the former slot still holds it, too")
        #expect(takeDue(&agenda, at: 3.1) == [7])
        #expect(agenda.earliest == nil)
    }

    @Test("a lease of centuries comes up after half a minute, and an overdue one at once")
    func extremes() {
        var agenda = LeaseAgenda()
        _ = agenda.note(lease(1), at: start + .seconds(Int64.max), now: start)
        _ = agenda.note(lease(2), at: at(-1_000), now: start)
        #expect(takeDue(&agenda, at: 0.06) == [2])
        #expect(takeDue(&agenda, at: 29) == [])
        #expect(takeDue(&agenda, at: 31) == [1])
    }
}
