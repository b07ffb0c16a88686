// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The slots of a semaphore: a slot is taken while there is a key under `<name>/slots/<number>/`, and there are as many
/// as `<name>/limit` says.
struct SlotTable: Sendable {
    let name: Key
    /// The limit if there is none in the store.
    let initialLimit: Int

    var prefix: Key { name + "/slots/" }
    var limitKey: Key { name + "/limit" }

    /// The number in the key of a slot; nil for other keys.
    func number(of key: Key) -> Int? {
        guard key.hasPrefix(prefix) else { return nil }
        let digits = key.bytes.dropFirst(prefix.bytes.count).prefix { $0 != UInt8(ascii: "/") }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    /// The limit in an entry.
    static func limit(in entry: KeyValue) throws(EtcdError) -> Int {
        if let limit = entry.value.string.flatMap({ Int($0) }), limit >= 1 { return limit }
        throw EtcdError(.invalidArgument, "the limit under \"\(entry.key)\" is no positive number: \"\(entry.value)\"")
    }

    // MARK: Claiming

    /// How many of the first in the queue watch the slots.
    ///
    /// With two of them, a waiter that is stopped blocks one slot, but not the others.
    private static let window = 2

    /// Whether there is a slot for a new caller.
    ///
    /// - Throws: ``QueueBlocked`` if slots are taken that never become free.
    func hasRoom(in queue: FairQueue) async throws -> Bool {
        var count = RangeOptions()
        count.countOnly = true
        let response = try await queue.session.read(reads + [.range(queue.range, options: count)]) {
            queue.attempt.hindered(by: $0)
        }
        let view = try View(Array(response.results.prefix(reads.count)), of: self)
        guard case .range(let waiters)? = response.results.last else { return false }
        if view.freeCount > waiters.count { return true }
        if let blocked = view.blocked { throw blocked }
        return false
    }

    /// Waits for a slot for a place in the queue, and takes it; the place is left by the same transaction.
    ///
    /// Unless this succeeds, no slot is taken, and none will be once the place in the queue is given up.
    ///
    /// - Returns: The key in the slot; nil if none is free, and that is not to be waited for.
    func claim(
        for turn: QueueKey,
        behind others: Predecessors,
        in queue: FairQueue,
        waits: Bool
    ) async throws -> QueueKey? {
        // The same in each slot, so that a claim that was not answered is found again.
        let id = Key(bytes: Array(turn.key.bytes.dropFirst(queue.name.bytes.count)))
        var before = others
        var unanswered: [QueueKey] = []
        var own: KeyValue?
        do {
            while true {
                try Task.checkCancellation()
                var view: View?
                let revision = try await queue.look(turn, &before, window: waits ? Self.window : nil, reading: reads) {
                    view = try View($0, of: self)
                    own = view?.slots.first { $0.key.bytes.suffix(id.bytes.count).elementsEqual(id.bytes) }
                    // A claim that was not answered has taken a slot, and deleted the place in the queue.
                    if own != nil { throw CoordinationLoss(.keyDeleted) }
                }
                guard let view else { continue }
                guard let limit = view.limit else {
                    _ = try await queue.session.retryingUntilKnown(
                        if: [.isMissing(limitKey)],
                        then: [.put(limitKey, Value("\(initialLimit)"))]
                    )
                    continue
                }
                if let number = view.slot(behind: before.count) {
                    let slot = QueueKey(queue.session, prefix + "\(number)" + id, turn.value, queue.staleKeys)
                    unanswered.append(slot)
                    if try await claim(slot, number, limit, for: turn, in: queue) { return slot }
                } else if !waits {
                    if let blocked = view.blocked { throw blocked }
                    return nil
                } else if before.count >= Self.window {
                    // Where fewer are known, the next look reads on.
                    try await queue.approach(turn, &before, within: Self.window, after: revision)
                } else {
                    if let blocked = view.blocked { throw blocked }
                    if let stray = view.stray { queue.attempt.hindered(by: stray) }
                    let limitKey = limitKey
                    let places = [turn.key, limitKey] + before.nearest.map(\.key)
                    let ranges = [KeyRange.prefix(prefix)] + places.map { .key($0) }
                    try await queue.client.awaitChange(in: ranges, after: revision) { event in
                        event.kind == .delete || event.entry.lease == nil || event.key == limitKey
                    }
                }
            }
        } catch {
            guard let own else {
                await QueueKey.leave(unanswered, timeout: Session.grace)
                throw error
            }
            let slot = QueueKey(queue.session, own.key, turn.value, queue.staleKeys)
            slot.entered(at: own.createRevision)
            return slot
        }
    }

    /// The ranges to read for the limit and the slots.
    private var reads: [TransactionOperation] { [.get(limitKey), .range(.prefix(prefix))] }

    /// Puts the key of a slot, and deletes that of the place in the queue.
    ///
    /// A look has shown that there is a free slot for each in the queue up to this one. Until the claim that stays so, as
    /// long as the limit stays: those before it keep their places or take one of the slots, and one behind it takes a slot
    /// only if it has seen one more. So there are never more slots than the limit, and each number is claimed once.
    ///
    /// - Returns: Whether that was done; if not, the next look shows why.
    private func claim(
        _ slot: QueueKey,
        _ number: Int,
        _ limit: KeyValue,
        for turn: QueueKey,
        in queue: FairQueue
    ) async throws -> Bool {
        guard let revision = turn.createRevision else { return false }
        let response = try await queue.session.retryingUntilKnown(
            if: [
                Compare.Target.createRevision(in: .prefix(prefix + "\(number)/")) == 0,
                Compare.Target.createRevision(turn.key) == revision,
                Compare.Target.modRevision(limitKey) == limit.modRevision,
            ],
            then: [.put(slot.key, slot.value, lease: queue.session.lease.id), .delete(turn.key)],
            onUnknown: { slot.tried() },
            onFailure: { queue.attempt.hindered(by: $0) }
        )
        if response.succeeded { slot.entered(at: response.header.revision) }
        return response.succeeded
    }
}

extension SlotTable {
    /// The limit and the slots at one revision.
    private struct View {
        /// Nil if nobody has set a limit.
        let limit: KeyValue?
        let slots: [KeyValue]
        private let table: SlotTable
        private let allowed: Int
        private let used: Set<Int>

        init(_ results: [TransactionResult], of table: SlotTable) throws(EtcdError) {
            limit = results.first?.entries.first
            slots = results.last?.entries ?? []
            allowed = try limit.map { entry throws(EtcdError) in try SlotTable.limit(in: entry) } ?? table.initialLimit
            used = Set(slots.compactMap { table.number(of: $0.key) })
            self.table = table
        }

        /// After the limit has fallen, slots of any number may be taken; they count, too.
        var freeCount: Int { allowed - used.count }

        /// The number of the slot for a waiter with this number of others before it; nil if there is none.
        func slot(behind count: Int) -> Int? {
            if freeCount <= count { return nil }
            return (0..<allowed).lazy.filter { !used.contains($0) }.dropFirst(count).first
        }

        /// A slot that never becomes free.
        var stray: QueueBlocked? {
            slots.first { $0.lease == nil }.map { QueueBlocked(slot: $0.key, of: table.name) }
        }

        /// None of the slots ever becomes free.
        var blocked: QueueBlocked? {
            Set(slots.filter { $0.lease == nil }.compactMap { table.number(of: $0.key) }).count >= allowed ? stray : nil
        }
    }
}
