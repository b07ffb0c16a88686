// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("RenewalQueue", .unit)
@EventLoop
struct RenewalQueueTests {
    private let start = MonotonicInstant.now
    private let leases = (1...300).map { KeptLease(Lease.ID(rawValue: $0)) }

    private func queue(of count: Int) -> RenewalQueue {
        var queue = RenewalQueue()
        // The last has the earliest deadline.
        for number in 0..<count { queue.insert(leases[number], deadline: start + .seconds(400 - number)) }
        return queue
    }

    @Test("the lease with the earliest deadline is sent first, each once, and not if it was removed")
    func order() {
        var queue = queue(of: 4)
        queue.insert(leases[0], deadline: start)
        queue.remove(leases[2].id)
        var sent: [Int64] = []
        while let lease = queue.popNext(at: start) { sent.append(lease.id.rawValue) }
        #expect(sent == [1, 4, 2])
        #expect(!queue.hasDue)
    }

    @Test("no more than 256 renewals are unanswered, and none is sent again while there are 32")
    func window() {
        var queue = queue(of: 300)
        var count = 0
        while queue.popNext(at: start) != nil { count += 1 }
        #expect(count == 256 && queue.hasDue && !queue.allowsRepetition)
        for number in 0..<225 { _ = queue.answered(leases[299 - number].id) }
        #expect(queue.allowsRepetition)
        #expect(queue.popNext(at: start) != nil)
    }

    @Test("an answer counts for the oldest renewal of its lease, and is ignored if none was sent")
    func answers() {
        var queue = queue(of: 2)
        while queue.popNext(at: start) != nil {}
        queue.insert(leases[0], deadline: start)
        #expect(queue.popNext(at: start + .seconds(1)) === leases[0])
        #expect(queue.oldestUnanswered?.lease === leases[1])
        #expect(queue.answered(leases[0].id)?.sent == start)
        #expect(queue.answered(leases[2].id) == nil)
        #expect(queue.answered(leases[0].id)?.sent == start + .seconds(1))
        #expect(queue.takeUnanswered().map(\.id) == [leases[1].id])
        #expect(queue.oldestUnanswered == nil)
    }
}
