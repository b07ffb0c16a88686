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

    /// The limit that an entry says.
    static func limit(in entry: KeyValue) throws(EtcdError) -> Int {
        if let limit = entry.value.string.flatMap({ Int($0) }), limit >= 1 { return limit }
        throw EtcdError(.invalidArgument, "the limit under \"\(entry.key)\" is no positive number: \"\(entry.value)\"")
    }

    // MARK: Claiming

    /// Takes a free slot for the first in the queue, who leaves it by the same transaction.
    ///
    /// However this ends but by success, no slot is taken, or will be once the place in the queue is given up.
    ///
    /// - Returns: The key in the slot; nil if none is free, and that is not to be waited for.
    func claim(for turn: Candidacy, in queue: KeyQueue, waits: Bool) async throws -> Candidacy? {
        // The same in each slot, so that a claim that was not answered is found again.
        let id = Key(bytes: Array(turn.key.bytes.dropFirst(queue.name.bytes.count)))
        var unanswered: [Candidacy] = []
        do {
            while true {
                try checkCancellation()
                switch try await look(for: turn, id, in: queue) {
                case .taken(let key, let revision):
                    let slot = Candidacy(key, turn.value)
                    slot.entered(at: revision)
                    return slot
                case .free(let number, let limit):
                    let slot = Candidacy(prefix + "\(number)" + id, turn.value)
                    unanswered.append(slot)
                    if try await claim(slot, number, limit, for: turn, in: queue) { return slot }
                case .unlimited:
                    _ = try await queue.session.settle(
                        if: [.isMissing(limitKey)],
                        then: [.put(limitKey, Value("\(initialLimit)"))]
                    )
                case .full(let revision):
                    if !waits { return nil }
                    let limitKey = limitKey
                    let ranges = [KeyRange.prefix(prefix), .key(turn.key), .key(limitKey)]
                    try await queue.client.awaitChange(in: ranges, after: revision) { event in
                        event.kind == .delete || event.key == limitKey
                    }
                }
            }
        } catch {
            for slot in unanswered { await queue.leave(slot) }
            throw error
        }
    }

    private enum View {
        case taken(Key, at: Revision)
        case free(Int, limit: KeyValue)
        case full(asOf: Revision)
        /// Nobody has set a limit.
        case unlimited
    }

    private func look(for turn: Candidacy, _ id: Key, in queue: KeyQueue) async throws -> View {
        var options = RangeOptions()
        options.keysOnly = true
        let response = try await queue.session.read([
            .get(turn.key), .get(limitKey), .range(.prefix(prefix), options: options),
        ])
        let slots = response.results.last?.entries ?? []
        if let own = slots.first(where: { $0.key.bytes.suffix(id.bytes.count).elementsEqual(id.bytes) }) {
            return .taken(own.key, at: own.createRevision)
        }
        guard response.results.first?.entries.first?.createRevision == turn.createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        guard let entry = response.results.dropFirst().first?.entries.first else { return .unlimited }
        let limit = try Self.limit(in: entry)
        let used = Set(slots.compactMap { number(of: $0.key) })
        // After the limit has fallen, slots of any number may be taken; they count, too.
        if used.count < limit, let free = (0..<limit).first(where: { !used.contains($0) }) {
            return .free(free, limit: entry)
        }
        return .full(asOf: response.header.revision)
    }

    /// Puts the key of a slot, and deletes that of the place in the queue.
    ///
    /// Only the first in the queue claims slots, so while it is that, there are no more of them than it has seen.
    ///
    /// - Returns: Whether that was done; if not, the next look shows why.
    private func claim(
        _ slot: Candidacy,
        _ number: Int,
        _ limit: KeyValue,
        for turn: Candidacy,
        in queue: KeyQueue
    ) async throws -> Bool {
        guard let revision = turn.createRevision else { return false }
        let response = try await queue.session.settle(
            if: [
                Compare.Target.createRevision(in: .prefix(prefix + "\(number)/")) == 0,
                Compare.Target.createRevision(turn.key) == revision,
                Compare.Target.modRevision(limitKey) == limit.modRevision,
            ],
            then: [.put(slot.key, slot.value, lease: queue.session.lease.id), .delete(turn.key)],
            onUnknown: { slot.tried() }
        )
        if response.succeeded { slot.entered(at: response.header.revision) }
        return response.succeeded
    }
}
