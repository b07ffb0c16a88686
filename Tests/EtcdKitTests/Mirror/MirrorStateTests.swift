// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("KeyMirror: its state", .unit)
struct MirrorStateTests {
    private static func entry(_ key: Key, created: Revision, modified: Revision, version: Int64 = 1) -> KeyValue {
        var entry = KeyValue()
        entry.key = key
        entry.createRevision = created
        entry.modRevision = modified
        entry.version = version
        return entry
    }

    private static func header(_ revision: Revision, term: UInt64 = 2) -> ResponseHeader {
        var header = ResponseHeader()
        header.revision = revision
        header.raftTerm = term
        return header
    }

    /// The keys `a` and `b` at revision 10.
    private let old = [entry("a", created: 3, modified: 5, version: 2), entry("b", created: 4, modified: 4)]
    private var state: MirrorState {
        var state = MirrorState(.all)
        state.replace(with: SortedEntries(old), at: Self.header(10))
        return state
    }

    private func put(_ entry: KeyValue) -> WatchBatch {
        WatchBatch(revision: entry.modRevision, events: [WatchEvent(putOf: entry)])
    }

    @Test("all changes of a revision are one change, with the entries from before")
    func batch() throws {
        var state = state
        let before = state.view
        let (changed, new) = (
            Self.entry("a", created: 3, modified: 12, version: 3), Self.entry("c", created: 12, modified: 12)
        )
        let events = [WatchEvent(putOf: changed), WatchEvent(deletionOf: "b", at: 12), WatchEvent(putOf: new)]
        let applied = state.apply(WatchBatch(revision: 12, events: events))
        let change = try #require(applied)
        #expect(change.revision == 12 && !change.isDifference)
        #expect(change.puts.map(\.entry) == [changed, new])
        #expect(change.puts.map(\.previous) == [old[0], nil])
        #expect(change.deletions == [old[1]])
        #expect(Array(state.view) == [changed, new] && state.view.revision == 12)
        #expect(Array(before) == old && before.revision == 10)
    }

    @Test(
        "an event that does not fit the present entries changes nothing",
        arguments: [
            // An old one, another life of the key, a missed version, a missed deletion, a missed creation.
            WatchEvent(putOf: entry("c", created: 10, modified: 10)),
            WatchEvent(putOf: entry("a", created: 7, modified: 11, version: 3)),
            WatchEvent(putOf: entry("a", created: 3, modified: 11, version: 4)),
            WatchEvent(putOf: entry("a", created: 11, modified: 11)),
            WatchEvent(putOf: entry("c", created: 7, modified: 11, version: 2)),
            WatchEvent(deletionOf: "c", at: 11),
        ]
    )
    func misfit(_ event: WatchEvent) {
        var state = state
        #expect(state.apply(WatchBatch(revision: event.revision, events: [event])) == nil)
        #expect(state.view == self.state.view)
    }

    @Test("another list is a difference, also when it goes back in time")
    func replacement() {
        var state = state
        let inquiry = state.inquiry
        // The same revision, but another entry: a store that was restored has made it anew.
        let other = Self.entry("b", created: 3, modified: 4, version: 2)
        let change = state.replace(with: SortedEntries([old[0], other]), at: Self.header(6))
        #expect(change.isDifference && change.revision == 6)
        #expect(change.puts.map(\.entry) == [other] && change.deletions.isEmpty)
        #expect(Array(state.view) == [old[0], other] && state.view.revision == 6)
        #expect(state.judge(Self.header(20), inquiry) == .outdated)
    }

    @Test("a lower revision or a lower term means that the store was restored")
    func headers() {
        var state = state
        let inquiry = state.inquiry
        #expect(state.judge(Self.header(10), inquiry) == .current)
        #expect(state.judge(Self.header(11), inquiry) == .behind)
        #expect(state.judge(Self.header(9), inquiry) == .restored)
        #expect(state.judge(Self.header(11, term: 1), inquiry) == .restored)
        // Of two answers on the way, the older one may come last.
        #expect(state.judge(Self.header(11, term: 5), inquiry) == .behind)
        #expect(state.judge(Self.header(11, term: 4), inquiry) == .behind)
        #expect(state.judge(Self.header(11, term: 4), state.inquiry) == .restored)
    }

    @Test("an answer proves nothing before the first list")
    func unlisted() {
        var state = MirrorState(.all)
        let inquiry = state.inquiry
        #expect(!state.isListed && state.view.revision == 0)
        #expect(state.judge(Self.header(0), inquiry) == .unlisted)
        #expect(state.judge(Self.header(10), inquiry) == .unlisted)
        let change = state.replace(with: SortedEntries(old), at: Self.header(10))
        #expect(state.isListed && change.isDifference && change.puts.count == 2)
        #expect(state.judge(Self.header(10), inquiry) == .outdated)
    }

    @Test("nothing newer and as many entries as before prove that nothing has changed; a deletion shows in the count")
    func proof() {
        var answer = RangeResponse()
        answer.header = Self.header(15)
        answer.count = 2
        // The answer has an entry as new as the newest known one.
        answer.entries = [old[0]]
        #expect(state.inquiry.question.minModRevision == 5)
        var unchanged = state
        #expect(unchanged.judge(answer, unchanged.inquiry) == .current)
        #expect(unchanged.view.revision == 15 && Array(unchanged.view) == old)
        #expect(unchanged.applied.revision == 10)

        var deleted = state
        answer.count = 1
        #expect(deleted.judge(answer, deleted.inquiry) == .behind)
        var changed = state
        answer.count = 2
        answer.entries = [Self.entry("a", created: 3, modified: 14, version: 3)]
        #expect(changed.judge(answer, changed.inquiry) == .behind)
        #expect(changed.view.revision == 10)
        answer.entries = [old[0], Self.entry("c", created: 11, modified: 11)]
        #expect(changed.judge(answer, changed.inquiry) == .behind)
    }

    /// The proof that nothing is different at revision 15.
    private var sameAnswer: RangeResponse {
        var answer = RangeResponse()
        answer.header = Self.header(15)
        answer.count = 2
        answer.entries = [old[0]]
        return answer
    }

    private func deletion(_ key: Key, at revision: Revision) -> WatchBatch {
        WatchBatch(revision: revision, events: [WatchEvent(deletionOf: key, at: revision)])
    }

    @Test("a proof does not cover changes that were applied after its request, so a deleted key is never shown")
    func proofAfterChange() {
        var state = state
        let inquiry = state.inquiry
        // The key is put at 11 and deleted at 12; the watch has brought the first only.
        #expect(state.apply(put(Self.entry("c", created: 11, modified: 11))) != nil)
        #expect(state.judge(sameAnswer, inquiry) == .behind)
        #expect(state.view.revision == 11 && state.view.count == 3)
        #expect(state.apply(deletion("c", at: 12)) != nil)
        #expect(state.judge(sameAnswer, inquiry) == .behind)
        #expect(state.view.revision == 12 && Array(state.view) == old)
        // Another answer, to a question for entries as new as the deleted key.
        var later = sameAnswer
        later.entries = []
        #expect(state.inquiry.question.minModRevision == 11)
        #expect(state.judge(later, state.inquiry) == .current)
        #expect(state.view.revision == 15 && Array(state.view) == old)
    }

    @Test("changes that come after a proof which covers them are changes of the same history, and not shown again")
    func changesAfterProof() throws {
        var state = state
        #expect(state.judge(sameAnswer, state.inquiry) == .current)
        let first = state.apply(put(Self.entry("c", created: 11, modified: 11)))
        #expect(first?.revision == 11 && first?.puts.count == 1)
        #expect(state.view.revision == 15 && Array(state.view) == old)
        // An inquiry in between is about the shown view.
        #expect(state.inquiry.revision == 15)
        var later = sameAnswer
        later.header = Self.header(17)
        #expect(state.judge(later, state.inquiry) == .current)
        #expect(state.view.revision == 17)
        let second = state.apply(deletion("c", at: 12))
        #expect(second?.revision == 12 && second?.deletions.count == 1)
        #expect(state.view.revision == 17 && Array(state.view) == old && Array(state.applied) == old)
        // Then it goes on as usual.
        #expect(state.apply(put(Self.entry("c", created: 18, modified: 18))) != nil)
        #expect(state.view.revision == 18 && state.view.count == 3)
        #expect(state.applied == state.view)
    }

    @Test("changes that do not cancel each other out, although a proof covers them, are of another history")
    func contradiction() {
        var state = state
        #expect(state.judge(sameAnswer, state.inquiry) == .current)
        #expect(state.apply(put(Self.entry("c", created: 11, modified: 11))) != nil)
        #expect(state.apply(put(Self.entry("d", created: 16, modified: 16))) == nil)
        #expect(state.view.revision == 15 && Array(state.view) == old)
    }

    @Test("of two proofs under way, the older one does not move the view back")
    func twoProofs() {
        var state = state
        let (first, second) = (state.inquiry, state.inquiry)
        var newer = sameAnswer
        newer.header = Self.header(20)
        #expect(state.judge(newer, second) == .current)
        #expect(state.judge(sameAnswer, first) == .current)
        #expect(state.view.revision == 20)
    }

    @Test("numbers at the limits of their range do not trap", arguments: [Int64.min, Int64.max])
    func extremes(number: Int64) {
        var state = state
        #expect(state.apply(put(Self.entry("a", created: 3, modified: 11, version: number))) == nil)
        var answer = sameAnswer
        answer.count = number
        answer.entries = [Self.entry("a", created: 3, modified: Revision(rawValue: number), version: number)]
        for revision in [Revision(rawValue: number), 15] {
            answer.header = Self.header(revision)
            #expect(state.judge(answer, state.inquiry) != .current)
        }
        state.replace(with: SortedEntries(old), at: Self.header(Revision(rawValue: number)))
        #expect(state.judge(answer, state.inquiry) != .outdated)
        #expect(state.apply(deletion("b", at: 12)) == nil || number == .min)
    }

    @Test("an entry that is as old as those of the mirror, but not among them, is of another history")
    func otherHistory() {
        var answer = RangeResponse()
        answer.header = Self.header(15)
        answer.count = 2
        for other in [
            Self.entry("b", created: 4, modified: 6, version: 2), Self.entry("a", created: 5, modified: 5),
            Self.entry("a", created: 3, modified: 10, version: 3),
        ] {
            var state = state
            answer.entries = [other]
            #expect(state.judge(answer, state.inquiry) == .restored)
            #expect(state.view.revision == 10)
        }
        // The newest entry is missing, no other is newer, and the count is the same: so none was deleted.
        var state = state
        answer.entries = []
        #expect(state.judge(answer, state.inquiry) == .restored)
        answer.count = 1
        #expect(state.judge(answer, state.inquiry) == .behind)
    }

    @Test("a subscriber gets changes one by one, and the difference when too many wait")
    func subscriber() throws {
        var state = state
        var subscriber = MirrorSubscriber(id: 1)
        var replica = SortedEntries()
        func deliver() throws -> [MirrorChange] {
            let portion = subscriber.take(state.view)
            let changes = try #require(portion).changes
            for change in changes {
                for entry in change.deletions { #expect(replica.remove(entry.key) == entry) }
                for put in change.puts { #expect(replica.put(put.entry) == put.previous) }
            }
            #expect(Array(replica) == Array(state.view))
            return changes
        }
        #expect(try deliver().map(\.isDifference) == [true])
        #expect(subscriber.take(state.view) == nil)
        var revision: Revision = 11
        for (count, expected) in [(3, [false, false, false]), (4, [true]), (2, [false, false])] {
            for _ in 0..<count {
                let key = "n/\(revision)" as Key
                let change = state.apply(put(Self.entry(key, created: revision, modified: revision)))
                try subscriber.offer(#require(change), limit: 3)
                revision = revision.next
            }
            #expect(try deliver().map(\.isDifference) == expected)
        }
    }
}
