// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("KeyMirror: its feed", .unit, .timeLimit(.minutes(1)))
struct MirrorFeedTests {
    @Test("a new list is due once another history is noticed, until the list is there")
    func dueList() async throws {
        var header = ResponseHeader()
        header.revision = 5
        let feed = MirrorFeed(.all, MirrorOptions())
        func isDue() async throws -> Bool {
            try await feed.wait(until: .now) { $0.isListDue ? true : nil } ?? false
        }
        feed.replace(with: SortedEntries(), at: header, asOf: .now)
        #expect(try await !isDue())
        _ = feed.judge(askedAt: .now) { _ in .restored }
        #expect(try await isDue())
        feed.replace(with: SortedEntries(), at: header, asOf: .now)
        #expect(try await !isDue())
    }

    @Test("the deadline of a wait wakes only the task that waits")
    func deadline() async throws {
        let feed = MirrorFeed(.all, MirrorOptions())
        let looks = Lock(0)
        let other = Task {
            try await feed.wait { content in
                looks.withLock { $0 += 1 }
                return content.isListDue ? true : nil
            }
        }
        try await eventually("it waits") { looks.withLock { $0 } == 1 }
        for _ in 0..<20 {
            let result: Bool? = try await feed.wait(until: .now + .milliseconds(2)) { _ in nil }
            #expect(result == nil)
        }
        #expect(looks.withLock { $0 } == 1)
        _ = feed.judge(askedAt: .now) { _ in .restored }
        #expect(try await other.value == true)
    }
}
