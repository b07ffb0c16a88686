// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Waiters in the order in which their keys came into being, as etcd's lock of Go has them: the first one owns.
///
/// A key is `<name>/<lease>-<nonce>`, or `<name>/shared-<lease>-<nonce>`, so that each acquisition has its own, and one
/// that is put again finds itself.
struct KeyQueue: Sendable {
    let session: Session
    let name: Key
    /// Keys of the same owner that it could not delete.
    var leftovers: Leftovers?
    /// Is told how far an acquisition comes.
    var attempt = Attempt()

    /// Keys whose values have no more bytes come into being together with others.
    private static let smallValue = 4096

    var client: EtcdClient { session.client }
    var range: KeyRange { .prefix(name + "/") }

    // MARK: In and out

    /// Joins the queue and waits for its turn.
    ///
    /// However this ends but by success, no key is left that can have its turn later.
    ///
    /// - Returns: The key whose turn it is; nil if it is another's, and that is not to be waited for.
    func enter(_ role: Role, _ value: Value, waits: Bool = true) async throws -> Candidacy? {
        let candidacy = candidacy(role, value)
        let isItsTurn = try await session.orLeave([candidacy]) {
            // Where the first is the only one, there is no need to join for a look.
            if !waits && role == .exclusive {
                try await deleteLeftovers()
                return try await session.joinIfEmpty([(self, candidacy)])
            }
            let before = try await join(candidacy)
            if before.count == 0 { return true }
            return try await session.tenure.whileHeld { try await advance(candidacy, before, waits) }
        }
        return isItsTurn ? candidacy : nil
    }

    /// Waits until none of those before the key is left.
    ///
    /// - Returns: Whether it is its turn.
    private func advance(_ candidacy: Candidacy, _ others: Predecessors, _ waits: Bool) async throws -> Bool {
        var before = others
        while before.count > 0 {
            let revision = try await look(candidacy, &before)
            // Those that were known may be in the way no more, and there may be others before them.
            if before.nearest.isEmpty { continue }
            if !waits { return false }
            try await approach(candidacy, &before, after: revision)
        }
        return true
    }

    /// Puts the key, again and again until that has an outcome.
    ///
    /// etcd runs this transaction on all members, one after the other with all else, so it only counts the keys: for that,
    /// etcd reads none of them.
    ///
    /// - Returns: Those that were there before, of which only the number is known.
    func join(_ candidacy: Candidacy) async throws -> Predecessors {
        let (key, role) = (candidacy.key, Role(of: candidacy.key))
        var options = RangeOptions()
        options.countOnly = true
        let counts = role.obstacles(in: name).map { TransactionOperation.range($0, options: options) }
        let old = leftovers?.batch ?? (keys: [], deletions: [])
        let gate = client.part { JoinGate() }
        let response = try await gate.pass(client.namespace + name, within: session.tenure) {
            try await session.settle(
                if: [.isMissing(key)],
                then: [.put(key, candidacy.value, lease: session.lease.id)] + old.deletions + counts,
                // Its own key is there only if an attempt before has put it.
                else: candidacy.mayExist ? [.get(key)] + counts : [],
                joining: old.keys.isEmpty && candidacy.value.bytes.count <= Self.smallValue ? name : nil,
                onUnknown: { candidacy.tried() },
                onFailure: { attempt.hindered(by: $0) }
            )
        }
        attempt.answered()
        if response.succeeded {
            candidacy.entered(at: response.header.revision)
            leftovers?.remove(old.keys)
        } else if let own = response.results.first?.entries.first {
            candidacy.found(at: own.createRevision)
        } else if !candidacy.mayExist {
            // One of which nothing is known has put it, so there is something to find.
            candidacy.tried()
            return try await join(candidacy)
        }
        try await deleteLeftovers()
        guard let revision = candidacy.createRevision else { throw CoordinationLoss(.keyDeleted) }
        var count = response.results.suffix(counts.count).reduce(0) { sum, result in
            if case .range(let response) = result { sum + Int(clamping: response.count) } else { sum }
        }
        // Its own key is among them, if those of its role are.
        if role == .exclusive { count -= 1 }
        return Predecessors(atMost: count, of: role, in: name, before: revision)
    }

    /// Deletes the keys of the same owner that it could not delete before.
    func deleteLeftovers() async throws {
        while let old = leftovers?.batch, !old.keys.isEmpty {
            _ = try await session.settle(if: [], then: old.deletions, onFailure: { attempt.hindered(by: $0) })
            leftovers?.remove(old.keys)
        }
    }

    // MARK: Waiting

    /// Waits until fewer than `window` are left of those before the key that are known from a look at `revision`.
    ///
    /// It watches the nearest ones only, and the key itself. So a release wakes as many as the window is wide.
    func approach(
        _ candidacy: Candidacy,
        _ before: inout Predecessors,
        within window: Int = 1,
        after revision: Revision
    ) async throws {
        var revision = revision
        while before.nearest.count >= window {
            let keys = [candidacy.key] + before.nearest.prefix(window).map(\.key)
            // The nearest may have been a waiter that gave up; so whatever happens is looked at.
            try await client.awaitChange(in: keys.map { .key($0) }, after: revision) { event in
                event.kind == .delete || event.entry.lease == nil || Role(of: event.entry) == .shared
            }
            revision = try await look(candidacy, &before, window: window)
        }
    }

    /// Looks at the key and at those before it that are known, or reads more of them where these are too few.
    ///
    /// So many are to be known as `window` says, unless there are fewer; nil for all. It reads `more` at the same revision,
    /// and gives the answers to `note`, before ``CoordinationLoss`` is thrown if the key is gone.
    ///
    /// - Returns: The revision of the look.
    @discardableResult
    func look(
        _ candidacy: Candidacy,
        _ before: inout Predecessors,
        window: Int? = 1,
        reading more: [TransactionOperation] = [],
        _ note: ([TransactionResult]) throws -> Void = { _ in }
    ) async throws -> Revision {
        let keys = [candidacy.key] + before.nearest.map(\.key)
        let section = before.section(window: window)
        let answer = try await session.read(onFailure: { attempt.hindered(by: $0) }) { () throws(EtcdError) in
            let answer = try await client.sharedReads.read(keys, more, section, for: client)
            return (answer.header, answer)
        }
        attempt.answered()
        try note(answer.more)
        guard answer.entries.first??.createRevision == candidacy.createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        try before.note(answer.entries.dropFirst().compactMap(\.self), answer.section)
        return answer.header.revision
    }
}

extension EtcdClient {
    /// Lists a queue, in the order of its turns.
    func queueEntries(in range: KeyRange, limit: Int? = nil) async throws(EtcdError) -> [KeyValue] {
        var options = RangeOptions()
        options.limit = limit
        options.sort = .ascending(by: .createRevision)
        return try await self.range(range, options: options).entries
    }
}
