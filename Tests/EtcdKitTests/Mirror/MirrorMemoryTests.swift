// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// `make test` runs one test at a time in a process, so only the mirror's memory is measured.
@Suite("KeyMirror: memory", .measurement, .serialized, .timeLimit(.minutes(3)))
struct MirrorMemoryTests {
    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    /// By how much memory grows with updates of 100 keys that nobody reads.
    private func growth(updates: Int, maximumPendingChanges: Int) async throws -> Int {
        var header = ResponseHeader()
        header.revision = 1
        var options = MirrorOptions()
        options.maximumPendingChanges = maximumPendingChanges
        let feed = MirrorFeed(.all, options)
        feed.replace(with: SortedEntries(), at: header, asOf: .now)
        var (changes, views) = (feed.changes.makeAsyncIterator(), feed.views.makeAsyncIterator())
        _ = try await (changes.next(), views.next())
        let keys = (0..<100).map { "k/\($0)" as Key }
        func apply(_ numbers: Range<Int>) {
            for number in numbers {
                var entry = KeyValue()
                entry.key = keys[number % keys.count]
                entry.value = Value(bytes: Array(repeating: UInt8(number & 0xff), count: 100))
                entry.createRevision = Revision(rawValue: Int64(number % keys.count + 2))
                entry.modRevision = Revision(rawValue: Int64(number + 2))
                entry.version = Int64(number / keys.count + 1)
                let batch = WatchBatch(revision: entry.modRevision, events: [WatchEvent(putOf: entry)])
                if !feed.apply(batch) { Issue.record("update \(number) does not follow") }
            }
        }
        apply(0..<1000)
        ProcessFigures.releaseFreeMemory()
        let before = ProcessFigures.residentMemory
        apply(1000..<updates)
        ProcessFigures.releaseFreeMemory()
        let growth = ProcessFigures.residentMemory - before
        let view = try await views.next()
        #expect(view?.revision == Revision(rawValue: Int64(updates + 1)))
        #expect(view?.count == 100)
        return growth
    }

    @Test("300,000 updates of a hundred keys that nobody reads take bounded memory", .enabled(if: canMeasure))
    func bounded() async throws {
        let growth = try await growth(updates: 300_000, maximumPendingChanges: 1000)
        #expect(growth < 8 << 20, "\(growth >> 20) MB")
    }

    @Test("the control: a subscriber without a bound keeps them all", .enabled(if: canMeasure))
    func unbounded() async throws {
        let growth = try await growth(updates: 400_000, maximumPendingChanges: .max)
        #expect(growth > 30 << 20, "\(growth >> 20) MB")
    }
}
