// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

@testable import EtcdPatterns

@Suite("ReadWriteLock: its history", .live, .timeLimit(.minutes(PatternRun.minutes)))
struct QueueHistoryTests {
    @Test("random waiters, readers, downgrades and losses lead to no wrong holder")
    func randomSchedule() async throws {
        try await withSession { session, name in
            let client = session.client
            // A run may be too short for all that there is to be seen, since that is left to chance.
            for attempt in 1...5 {
                let history = QueueHistory(of: "\(name)", try await run(session, name))
                #expect(history.complaints == [])
                let hasSeenAll =
                    history.writers > 10 && history.mostInside > 2 && history.downgrades > 5
                    && history.downgradesWithCompany > 0
                #expect(try await ReadWriteLock("\(name)", on: .session(session)).queue().isEmpty)
                try await client.delete(.prefix(name))
                if hasSeenAll { break }
                // The control.
                #expect(attempt < 5, "\(history.writers), \(history.mostInside), \(history.downgrades)")
            }
        }
    }

    /// Visits the lock from many tasks for a while, and gives all changes of its keys.
    private func run(_ session: Session, _ name: Key) async throws -> [[HistoryEvent]] {
        try await history(of: name, session.client) {
            let end = ContinuousClock.now + .seconds(PatternRun.seconds ?? 3)
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<16 {
                    group.addTask {
                        while ContinuousClock.now < end {
                            // A loss, a cancellation, or the end of patience: the history shows whether it was right.
                            try? await Self.visit(session, name)
                        }
                    }
                }
            }
        }
    }

    /// One acquisition of a random kind, on the shared session or one of its own, which may end in the middle.
    private static func visit(_ shared: Session, _ name: Key) async throws {
        let isOwn = Int.random(in: 0..<8) == 0
        let session = isOwn ? try await Session(shared.client) : shared
        let lock = try ReadWriteLock("\(name)", on: .session(session))
        let isWriter = Int.random(in: 0..<3) == 0
        let task = Task {
            let body: @Sendable (LockGrant) async throws -> Void = { grant in
                let log = name + "-log/" + Key(bytes: Array(grant.key.bytes.dropFirst(name.bytes.count + 1)))
                try await grant.guarded(then: [.put(log, "")])
                try await pause(3_000)
                if isWriter && Bool.random() {
                    try await lock.downgrade(grant)
                    try await pause(10_000)
                }
                try await grant.guarded(then: [.delete(log)])
            }
            switch (isWriter, Int.random(in: 0..<8) == 0) {
            case (true, true): _ = try await lock.writing.withLockIfAvailable(body)
            case (true, false): try await lock.writing.withLock(timeout: .seconds(5), body)
            case (false, true): _ = try await lock.reading.withLockIfAvailable(body)
            case (false, false): try await lock.reading.withLock(timeout: .seconds(5), body)
            }
        }
        if Int.random(in: 0..<6) == 0 {
            try await pause(20_000)
            task.cancel()
        }
        if isOwn && Bool.random() {
            try await pause(20_000)
            try await shared.client.leases.revoke(session.lease.id)
        }
        _ = await task.result
        if isOwn { await session.close() }
    }

    private static func pause(_ longest: Int) async throws {
        try await Task.sleep(for: .microseconds(Int.random(in: 0...longest)))
    }

    // MARK: The control

    @Test("the checker accepts what is right")
    func good() {
        let history = QueueHistory(
            of: "n",
            [
                [.init(1, put: "n/w")],
                [.init(2, put: "n/shared-r")],
                [.init(3, put: "n-log/w")],
                [.init(4, put: "n/w", "shared:me", isCreation: false)],
                [.init(5, put: "n-log/shared-r")],
                [.init(6, put: "n/v")],
                [.init(7, delete: "n-log/w")],
                [.init(8, delete: "n/w")],
                [.init(9, delete: "n/shared-r")],
                [.init(10, put: "n-log/v")],
            ]
        )
        #expect(history.complaints == [])
        #expect(history.downgradesWithCompany == 1 && history.mostInside == 2 && history.writers == 2)
    }

    @Test(
        "the checker complains of what is wrong",
        arguments: [
            // A writer comes in while a reader is inside.
            [
                .init(3, put: "n/shared-r"), .init(4, put: "n/w"), .init(5, put: "n-log/shared-r"),
                .init(6, put: "n-log/w"),
            ],
            // A reader overtakes a writer that waits.
            [
                .init(3, put: "n/shared-r"), .init(4, put: "n/w"), .init(5, put: "n/shared-s"),
                .init(6, put: "n-log/shared-s"),
            ],
            // A reader comes in while a writer is inside.
            [
                .init(3, put: "n/w"), .init(4, put: "n/shared-r"), .init(5, put: "n-log/w"),
                .init(6, put: "n-log/shared-r"),
            ],
            // A writer overtakes one that is a reader now.
            [
                .init(3, put: "n/w"), .init(4, put: "n/v"), .init(5, put: "n-log/w"),
                .init(6, put: "n/w", "shared:", isCreation: false), .init(7, put: "n-log/v"),
            ],
            // Somebody is inside without a place.
            [.init(3, put: "n-log/w")],
            // A writer that stays inside becomes one before which another has come.
            [.init(3, put: "n/w"), .init(4, put: "n-log/w"), .init(5, put: "n/w", "other", isCreation: false)],
        ] as [[HistoryEvent]]
    )
    func bad(events: [HistoryEvent]) {
        #expect(!QueueHistory(of: "n", events.map { [$0] }).complaints.isEmpty)
    }
}
