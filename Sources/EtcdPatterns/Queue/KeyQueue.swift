// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Waiters in the order in which their keys came into being, as etcd's lock of Go has them: the first one owns.
///
/// A key is `<name>/<lease>-<nonce>`, so that each acquisition has its own, and one that is put again finds itself.
struct KeyQueue: Sendable {
    let session: Session
    let name: Key

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
            if !waits && role == .exclusive { return try await session.joinIfEmpty([(self, candidacy)]) }
            if try await join(candidacy) { return true }
            if waits {
                try await waitForTurn(candidacy, role)
                return true
            }
            if case .first = try await standing(of: candidacy, role) { return true }
            return false
        }
        return isItsTurn ? candidacy : nil
    }

    /// Puts the key, again and again until that has an outcome.
    ///
    /// - Returns: Whether it is the first in the queue.
    func join(_ candidacy: Candidacy) async throws -> Bool {
        let key = candidacy.key
        var first = RangeOptions()
        first.keysOnly = true
        first.sort = .ascending(by: .createRevision)
        first.limit = 1
        let head = TransactionOperation.range(range, options: first)
        let response = try await session.settle(
            if: [.isMissing(key)],
            then: [.put(key, candidacy.value, lease: session.lease.id), head],
            else: [.get(key), head],
            onUnknown: { candidacy.tried() }
        )
        if response.succeeded {
            candidacy.entered(at: response.header.revision)
        } else if let own = response.results.first?.entries.first {
            candidacy.found(at: own.createRevision)
        }
        return response.results.last?.entries.first?.key == key
    }

    /// Deletes the key for good; see ``Session/leave(_:)``.
    func leave(_ candidacy: Candidacy) async { await session.leave(candidacy) }

    // MARK: Waiting

    /// What stands before a key.
    private enum Standing {
        case first
        case behind(Key, asOf: Revision)
    }

    /// Waits until nothing is before the key that it has to wait for, as a read shows that shows the key, too.
    private func waitForTurn(_ candidacy: Candidacy, _ role: Role) async throws {
        while case .behind(let predecessor, let revision) = try await standing(of: candidacy, role) {
            // The predecessor may have been a waiter that gave up; so whatever happens is looked at.
            try await client.awaitChange(in: [.key(predecessor), .key(candidacy.key)], after: revision) { event in
                event.kind == .delete || role == .shared && Role(of: event.entry) == .shared
            }
        }
    }

    private func standing(of candidacy: Candidacy, _ role: Role) async throws -> Standing {
        guard let createRevision = candidacy.createRevision else { throw CoordinationLoss(.keyDeleted) }
        var before = RangeOptions()
        // Roles are in the values, too.
        before.keysOnly = role == .exclusive
        before.maxCreateRevision = createRevision.previous
        before.sort = .descending(by: .createRevision)
        before.limit = role == .exclusive ? 1 : nil
        let response = try await session.read([.get(candidacy.key), .range(range, options: before)])
        guard response.results.first?.entries.first?.createRevision == createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        let entries = response.results.last?.entries ?? []
        let isInTheWay = { (entry: KeyValue) in role == .exclusive || Role(of: entry) == .exclusive }
        guard let entry = entries.first(where: isInTheWay) else { return .first }
        let predecessor = entry.key
        if predecessor.bytes.dropFirst(name.bytes.count + 1).contains(UInt8(ascii: "/")) {
            throw EtcdError(.invalidArgument, "\"\(name)\" is the beginning of another name: there is \(predecessor)")
        }
        if entry.lease == nil {
            throw EtcdError(.invalidArgument, "\"\(name)\" never becomes free: \(predecessor) has no lease")
        }
        return .behind(predecessor, asOf: response.header.revision)
    }
}
