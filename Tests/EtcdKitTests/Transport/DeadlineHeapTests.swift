// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("DeadlineHeap", .unit, .timeLimit(.minutes(1)))
struct DeadlineHeapTests {
    private let start = MonotonicInstant.now

    @Test("elements come out by their deadlines, and not before them")
    func order() {
        var heap = DeadlineHeap<Int>()
        for seconds in [5, 1, 4, 2, 3] { _ = heap.insert(seconds, at: start + .seconds(seconds)) }
        #expect(heap.count == 5)
        #expect(heap.earliest == start + .seconds(1))
        #expect(heap.popDue(at: start + .milliseconds(999)) == nil)
        #expect(heap.popDue(at: start + .seconds(1)) == 1)
        var rest: [Int] = []
        while let element = heap.popDue(at: start + .seconds(9)) { rest.append(element) }
        #expect(rest == [2, 3, 4, 5])
        #expect(heap.earliest == nil)
    }

    @Test("a removed element does not come out, and is removed once")
    func removal() {
        var heap = DeadlineHeap<String>()
        let first = heap.insert("first", at: start)
        let second = heap.insert("second", at: start + .seconds(1))
        #expect(heap.remove(first) == "first")
        #expect(heap.remove(first) == nil)
        #expect(heap.popDue(at: start + .seconds(2)) == "second")
        #expect(heap.remove(second) == nil)
        #expect(heap.count == 0)
    }

    @Test("the handle of a removed element does not fit its successor")
    func staleNames() {
        var heap = DeadlineHeap<String>()
        let old = heap.insert("old", at: start)
        #expect(heap.popDue(at: start) == "old")
        let new = heap.insert("new", at: start)
        #expect(old != new)
        #expect(heap.remove(old) == nil)
        #expect(heap.remove(new) == "new")
    }

    @Test("elements are released when they come out")
    func lifetimes() {
        final class Token {}
        var heap = DeadlineHeap<Token>()
        weak var popped: Token?
        weak var removed: Token?
        do {
            let tokens = (Token(), Token())
            (popped, removed) = tokens
            _ = heap.insert(tokens.0, at: start)
            let name = heap.insert(tokens.1, at: start + .seconds(1))
            #expect(heap.popDue(at: start) === tokens.0)
            heap.remove(name)
        }
        #expect(popped == nil)
        #expect(removed == nil)
    }

    @Test("random insertions and removals agree with a plain list", arguments: 0..<20)
    func model(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        var heap = DeadlineHeap<Int>()
        var model: [(id: DeadlineHeap<Int>.ID, deadline: MonotonicInstant, element: Int)] = []
        var gone: [DeadlineHeap<Int>.ID] = []
        for element in 0..<2000 {
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                // Few different deadlines, so that many are equal.
                let deadline = start + .seconds(Int.random(in: 0..<50, using: &random))
                model.append((heap.insert(element, at: deadline), deadline, element))
            case 5..<7:
                guard let index = model.indices.randomElement(using: &random) else { continue }
                let entry = model.remove(at: index)
                #expect(heap.remove(entry.id) == entry.element)
                gone.append(entry.id)
            case 7:
                if let stale = gone.randomElement(using: &random) { #expect(heap.remove(stale) == nil) }
            default:
                let now = start + .seconds(Int.random(in: 0..<50, using: &random))
                let earliest = model.map(\.deadline).min()
                guard let popped = heap.popDue(at: now) else {
                    #expect(earliest.map { $0 > now } ?? true)
                    continue
                }
                let index = try #require(model.firstIndex { $0.element == popped })
                #expect(model[index].deadline == earliest && model[index].deadline <= now)
                gone.append(model.remove(at: index).id)
            }
            try #require(heap.count == model.count)
            try #require(heap.earliest == model.map(\.deadline).min())
        }
    }
}
