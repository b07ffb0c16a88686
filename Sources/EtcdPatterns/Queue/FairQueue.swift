// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Waiters in the order in which their keys were created, as in etcd's lock for Go: the first one has its turn.
///
/// A key is `<name>/<lease>-<nonce>`, or `<name>/shared-<lease>-<nonce>`. So each acquisition has a key of its own, and a
/// put that is repeated finds the key of the first attempt.
struct FairQueue: Sendable {
    let session: Session
    let name: Key
    /// Keys of the same owner that it could not delete.
    var staleKeys: StaleKeys?
    /// Records the progress of an acquisition.
    var attempt = Attempt()

    var client: EtcdClient { session.client }
    var range: KeyRange { .prefix(name + "/") }

    /// The key has a nonce, so it belongs to this package: its owner reads it before it takes its turn.
    func isNative(_ key: Key) -> Bool { key.bytes.dropFirst(name.bytes.count + 1).contains(UInt8(ascii: "-")) }

    // MARK: Roles

    /// Which keys a key has to wait for.
    enum Role: Sendable {
        /// All earlier keys.
        case exclusive
        /// The earlier exclusive keys.
        case shared

        /// The beginning of the last part of a shared key, which keeps shared keys apart from the others.
        private static let prefix: Key = "shared-"
        fileprivate static let mark = Array("shared:".utf8)

        /// The role of a key when it is created.
        init(of key: Key) {
            let start = key.bytes.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0
            self = key.bytes[start...].starts(with: Self.prefix.bytes) ? .shared : .exclusive
        }

        /// A key of this role.
        fileprivate func key(in name: Key, _ id: Key) -> Key {
            name + "/" + (self == .shared ? Self.prefix : "") + id
        }

        /// The ranges of the keys that a key of this role waits for, if they were created before it.
        ///
        /// A reader behind many readers need not read these.
        func obstacles(in name: Key) -> [KeyRange] {
            let start = name + "/"
            if self == .exclusive { return [.prefix(start)] }
            // A dot follows a dash, and a zero a slash.
            return [.between(start, start + Self.prefix), .between(start + "shared.", name + "0")]
        }

        /// The role of a key in the queue, which can have changed from exclusive to shared.
        ///
        /// An owner puts its key once, so a mark before the value of a key that was put again is not the owner's text.
        init(of entry: KeyValue) {
            self = entry.isDowngraded ? .shared : Role(of: entry.key)
        }
    }

    /// A new key for the queue.
    func queueKey(_ role: Role, _ value: Value) -> QueueKey {
        let nonce = String(UInt64.random(in: .min ... .max), radix: 16)
        let key = role.key(in: name, Key("\(session.lease.id)-\(nonce)"))
        session.witness.uses(key)
        return QueueKey(session, key, value, staleKeys)
    }

    /// Makes an exclusive key that is in the queue a shared one.
    ///
    /// The key is put again, so it keeps its place: its create revision, which makes the order, does not change. The
    /// keys behind it see either role, and no turn is taken back, since a shared key lets pass all that an exclusive
    /// one does, and more. A client without roles waits until the key is deleted, as before.
    ///
    /// - Returns: Whether that was done; if not, the key does not exist.
    func downgrade(_ queueKey: QueueKey, at createRevision: Revision) async throws -> Bool {
        let value = Value(bytes: Role.mark + queueKey.value.bytes)
        return try await session.retryingUntilKnown(
            if: [Compare.Target.createRevision(queueKey.key) == createRevision],
            then: [.put(queueKey.key, value, lease: session.lease.id)]
        ).succeeded
    }

    // MARK: Waiting

    /// Waits until no key is left that this one has to wait for.
    ///
    /// - Returns: Whether it has its turn.
    func advance(_ queueKey: QueueKey, _ others: Predecessors, _ waits: Bool) async throws -> Bool {
        var before = others
        while before.count > 0 {
            let revision = try await look(queueKey, &before)
            // The known ones may have gone, and there may be others before them.
            if before.nearest.isEmpty { continue }
            if !waits { return false }
            try await approach(queueKey, &before, after: revision)
        }
        return true
    }

    /// Waits until fewer than `window` are left of the known keys before this one, as read at `revision`.
    ///
    /// It watches the nearest ones only, and the key itself. So a release wakes at most `window` waiters.
    func approach(
        _ queueKey: QueueKey,
        _ before: inout Predecessors,
        within window: Int = 1,
        after revision: Revision
    ) async throws {
        var revision = revision
        while before.nearest.count >= window {
            let keys = [queueKey.key] + before.nearest.prefix(window).map(\.key)
            // The nearest may have been a waiter that gave up, so each change needs a read.
            try await client.awaitChange(in: keys.map { .key($0) }, after: revision) { event in
                event.kind == .delete || event.entry.lease == nil || Role(of: event.entry) == .shared
            }
            revision = try await look(queueKey, &before, window: window)
        }
    }

    /// Reads the key and the known ones before it, or more of the queue if too few are known.
    ///
    /// Afterwards at least `window` are known, unless there are fewer; nil means all. It reads `more` at the same revision,
    /// and passes the answers to `note` before it throws ``CoordinationLoss`` if the key is gone.
    ///
    /// - Returns: The revision of the read.
    @discardableResult
    func look(
        _ queueKey: QueueKey,
        _ before: inout Predecessors,
        window: Int? = 1,
        reading more: [TransactionOperation] = [],
        _ note: ([TransactionResult]) throws -> Void = { _ in }
    ) async throws -> Revision {
        let keys = [queueKey.key] + before.nearest.map(\.key)
        let section = before.section(window: window)
        let answer = try await session.read(\.header, onFailure: { attempt.hindered(by: $0) }) { () throws(EtcdError) in
            try await client.sharedReads.read(keys, more, section, for: client)
        }
        attempt.answered()
        try note(answer.more)
        guard answer.entries.first??.createRevision == queueKey.createRevision else {
            throw CoordinationLoss(.keyDeleted)
        }
        try before.note(answer.entries.dropFirst().compactMap(\.self), answer.section)
        return answer.header.revision
    }
}

extension KeyValue {
    fileprivate var isDowngraded: Bool { version > 1 && value.bytes.starts(with: FairQueue.Role.mark) }

    /// The text of the owner of a key in a queue.
    var owner: Value {
        isDowngraded ? Value(bytes: Array(value.bytes.dropFirst(FairQueue.Role.mark.count))) : value
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
