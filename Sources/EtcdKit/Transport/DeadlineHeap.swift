// SPDX-License-Identifier: Apache-2.0

/// Elements ordered by their deadlines, each of which can be removed before its time.
package struct DeadlineHeap<Element> {
    /// Names an element; never valid again once the element is gone.
    package struct ID: Sendable, Hashable {
        fileprivate let slot: Int
        fileprivate let generation: UInt64
    }

    private struct Slot {
        var element: Element?
        var generation: UInt64
        var position: Int
    }

    private struct Node {
        let deadline: MonotonicInstant
        let slot: Int
    }

    private var heap: [Node] = []
    private var slots: [Slot] = []
    private var freeSlots: [Int] = []

    package init() {}

    package var count: Int { heap.count }

    package var earliest: MonotonicInstant? { heap.first?.deadline }

    package mutating func insert(_ element: Element, at deadline: MonotonicInstant) -> ID {
        let position = heap.count
        let slot: Int
        if let free = freeSlots.popLast() {
            slot = free
            slots[slot].element = element
            slots[slot].position = position
        } else {
            slot = slots.count
            slots.append(Slot(element: element, generation: 0, position: position))
        }
        heap.append(Node(deadline: deadline, slot: slot))
        siftUp(position)
        return ID(slot: slot, generation: slots[slot].generation)
    }

    @discardableResult
    package mutating func remove(_ id: ID) -> Element? {
        guard slots.indices.contains(id.slot), slots[id.slot].generation == id.generation else { return nil }
        return removeNode(at: slots[id.slot].position)
    }

    /// Removes and returns the element with the earliest deadline if that is not after `now`.
    package mutating func popDue(at now: MonotonicInstant) -> Element? {
        guard let first = heap.first, first.deadline <= now else { return nil }
        return removeNode(at: 0)
    }

    private mutating func removeNode(at position: Int) -> Element? {
        let slot = heap[position].slot
        let last = heap.removeLast()
        if position < heap.count {
            place(last, at: position)
            siftUp(position)
            siftDown(slots[last.slot].position)
        }
        defer {
            slots[slot].element = nil
            slots[slot].generation += 1
            freeSlots.append(slot)
        }
        return slots[slot].element
    }

    private mutating func place(_ node: Node, at position: Int) {
        heap[position] = node
        slots[node.slot].position = position
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        let node = heap[position]
        while position > 0 {
            let parent = (position - 1) / 2
            if heap[parent].deadline <= node.deadline { break }
            place(heap[parent], at: position)
            position = parent
        }
        place(node, at: position)
    }

    private mutating func siftDown(_ start: Int) {
        var position = start
        let node = heap[position]
        while true {
            var child = 2 * position + 1
            if child >= heap.count { break }
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            if node.deadline <= heap[child].deadline { break }
            place(heap[child], at: position)
            position = child
        }
        place(node, at: position)
    }
}
