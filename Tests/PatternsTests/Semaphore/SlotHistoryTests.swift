// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("Semaphore: its history", .live, .timeLimit(.minutes(PatternRun.minutes)))
struct SlotHistoryTests {
    @Test("a claim never exceeds the limit of slots at that time, under random holders and limits")
    func randomSchedule() async throws {
        try await withSession { session, name in
            let revisions = try await history(of: name, session.client) {
                let end = ContinuousClock.now + .seconds(PatternRun.seconds ?? 3)
                let isOver = Lock(false)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for _ in 0..<20 {
                        group.addTask {
                            while !isOver.withLock({ $0 }) { try? await Self.visit(session, name) }
                        }
                    }
                    let semaphore = try Semaphore("\(name)", limit: 3, on: .session(session))
                    var fallCount = 0
                    // On a slow machine, it takes longer until the limit has fallen below the holders.
                    while ContinuousClock.now < end || fallCount < 3 {
                        let limit = Int.random(in: 1...6)
                        if try await semaphore.holders().count > max(limit, 2) { fallCount += 1 }
                        try await semaphore.setLimit(limit)
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0...60)))
                    }
                    isOver.withLock { $0 = true }
                    try await group.waitForAll()
                }
            }
            let history = SlotHistory(of: "\(name)", revisions)
            #expect(history.complaints == [])
            #expect(history.claims > 20 && history.limits.count > 3, "the control: \(history.claims) \(history.limits)")
            #expect(history.attritions > 0 && history.mostInside > 2, "the control: the limit fell below the holders")
            let semaphore = try Semaphore("\(name)", limit: 3, on: .session(session))
            #expect(try await semaphore.holders().isEmpty)
            #expect(try await semaphore.waiters().isEmpty)
            try await session.client.delete(.prefix(name))
        }
    }

    /// One acquisition, on the shared session or one of its own, which may be cancelled, or end in the middle.
    private static func visit(_ shared: Session, _ name: Key) async throws {
        let isOwn = Int.random(in: 0..<8) == 0
        let session = isOwn ? try await Session(shared.client) : shared
        let semaphore = try Semaphore("\(name)", limit: 3, on: .session(session))
        let task = Task {
            let body: @Sendable (SemaphoreSlot) async throws -> Void = { _ in try await pause(15_000) }
            if Int.random(in: 0..<8) == 0 {
                _ = try await semaphore.withSlotIfAvailable(body)
            } else {
                try await semaphore.withSlot(timeout: .seconds(5), body)
            }
        }
        if Int.random(in: 0..<6) == 0 {
            try await pause(50_000)
            task.cancel()
        }
        if isOwn && Bool.random() {
            try await pause(50_000)
            try await shared.client.leases.revoke(session.lease.id)
        }
        _ = await task.result
        if isOwn { await session.close() }
    }

    private static func pause(_ longest: Int) async throws {
        try await Task.sleep(for: .microseconds(Int.random(in: 0...longest)))
    }

    // MARK: The control

    private static let start: [[HistoryEvent]] = [
        [.init(1, put: "n/limit", "2")],
        [.init(2, put: "n/queue/a")], [.init(3, put: "n/queue/b")], [.init(4, put: "n/queue/c")],
        [.init(5, put: "n/slots/0/a"), .init(5, delete: "n/queue/a")],
    ]

    @Test("the checker accepts a correct history")
    func good() {
        let history = SlotHistory(
            of: "n",
            Self.start + [
                [.init(6, put: "n/slots/1/b"), .init(6, delete: "n/queue/b")],
                [.init(7, put: "n/limit", "1")],
                [.init(8, delete: "n/slots/0/a")],
                [.init(9, delete: "n/slots/1/b")],
                [.init(10, put: "n/slots/0/c"), .init(10, delete: "n/queue/c")],
                [.init(11, put: "n/queue/d")], [.init(12, put: "n/queue/e")], [.init(13, put: "n/limit", "3")],
                // There is another slot for the one before it.
                [.init(14, put: "n/slots/2/e"), .init(14, delete: "n/queue/e")],
            ]
        )
        #expect(history.complaints == [])
        #expect(history.attritions == 1 && history.mostInside == 2 && history.claims == 4)
    }

    @Test(
        "the checker complains of an incorrect history",
        arguments: [
            // One holder too many, since the limit has fallen.
            [[.init(6, put: "n/limit", "1")], [.init(7, put: "n/slots/1/b"), .init(7, delete: "n/queue/b")]],
            // The same slot twice.
            [[.init(6, put: "n/slots/0/b"), .init(6, delete: "n/queue/b")]],
            // The second waiter, while the only free slot is for the first.
            [[.init(6, put: "n/slots/1/c"), .init(6, delete: "n/queue/c")]],
            // The third of three waiters, with two free slots.
            [
                [.init(6, put: "n/limit", "3")], [.init(7, put: "n/queue/d")],
                [.init(8, put: "n/slots/1/d"), .init(8, delete: "n/queue/d")],
            ],
            // The place in the queue is kept.
            [[.init(6, put: "n/slots/1/b")]],
            // There is no limit.
            [[.init(6, delete: "n/limit")], [.init(7, put: "n/slots/1/b"), .init(7, delete: "n/queue/b")]],
        ] as [[[HistoryEvent]]]
    )
    func bad(revisions: [[HistoryEvent]]) {
        #expect(!SlotHistory(of: "n", Self.start + revisions).complaints.isEmpty)
    }
}
