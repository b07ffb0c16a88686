// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The slots of a semaphore: a slot is taken while there is a key under `<name>/slots/<number>/`.
struct SlotTable: Sendable {
    let prefix: Key
    let limit: Int

    /// The number in the key of a slot; nil for other keys.
    func number(of key: Key) -> Int? {
        guard key.hasPrefix(prefix) else { return nil }
        let digits = key.bytes.dropFirst(prefix.bytes.count).prefix { $0 != UInt8(ascii: "/") }
        return Int(String(decoding: digits, as: UTF8.self))
    }

    private func range(_ number: Int) -> KeyRange { .prefix(prefix + "\(number)/") }

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
                try Task.checkCancellation()
                let slot: Candidacy
                switch try await look(for: turn, id, in: queue.client) {
                case .taken(let key, let revision):
                    slot = Candidacy(key, turn.value)
                    slot.entered(at: revision)
                    return slot
                case .free(let number):
                    slot = Candidacy(prefix + "\(number)" + id, turn.value)
                    if try await claim(slot, number, for: turn, in: queue) { return slot }
                    if slot.mayExist { unanswered.append(slot) }
                case .full(let revision):
                    if !waits { return nil }
                    try await awaitDeletion(of: turn.key, in: queue.client, after: revision)
                }
            }
        } catch {
            for slot in unanswered { await queue.leave(slot) }
            throw error
        }
    }

    private enum View {
        case taken(Key, at: Revision)
        case free(Int)
        case full(asOf: Revision)
    }

    private func look(for turn: Candidacy, _ id: Key, in client: EtcdClient) async throws -> View {
        var options = RangeOptions()
        options.keysOnly = true
        let operations = [TransactionOperation.get(turn.key), .range(.prefix(prefix), options: options)]
        let response = try await client.persist { () throws(EtcdError) in
            try await client.transaction(then: operations)
        }
        let entries = response.results.last?.entries ?? []
        if let own = entries.first(where: { $0.key.bytes.suffix(id.bytes.count).elementsEqual(id.bytes) }) {
            return .taken(own.key, at: own.createRevision)
        }
        guard response.results.first?.entries.first?.createRevision == turn.createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        let used = Set(entries.compactMap { number(of: $0.key) })
        if let free = (0..<limit).first(where: { !used.contains($0) }) { return .free(free) }
        return .full(asOf: response.header.revision)
    }

    /// Puts the key of a slot, and deletes that of the place in the queue.
    ///
    /// - Returns: Whether that was done; if it may have been, the slot says so.
    private func claim(
        _ slot: Candidacy,
        _ number: Int,
        for turn: Candidacy,
        in queue: KeyQueue
    ) async throws(EtcdError) -> Bool {
        guard let revision = turn.createRevision else { return false }
        let conditions = [
            Compare.Target.createRevision(in: range(number)) == 0, Compare.Target.createRevision(turn.key) == revision,
        ]
        let operations = [
            TransactionOperation.put(slot.key, slot.value, lease: queue.session.lease.id), .delete(turn.key),
        ]
        let client = queue.session.hurried
        let outcome = await shielded { () -> Result<TransactionResponse, EtcdError> in
            do throws(EtcdError) {
                return .success(try await client.transaction(if: conditions, then: operations))
            } catch {
                return .failure(error)
            }
        }
        switch outcome {
        case .success(let response):
            if response.succeeded { slot.entered(at: response.header.revision) }
            return response.succeeded
        case .failure(let error):
            if error.code == .ambiguous { slot.tried() } else if !error.code.isTransient { throw error }
            return false
        }
    }

    /// Waits until a slot is given back, or the place in the queue is gone.
    private func awaitDeletion(of turn: Key, in client: EtcdClient, after revision: Revision) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for range in [KeyRange.prefix(prefix), .key(turn)] {
                group.addTask { try await client.awaitChange(in: range, after: revision) { $0.kind == .delete } }
            }
            defer { group.cancelAll() }
            _ = try await group.next()
        }
    }
}
