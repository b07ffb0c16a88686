// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension FairQueue {
    /// Which keys a key has to wait for.
    enum Role: Sendable {
        /// All that came before.
        case exclusive
        /// The exclusive ones that came before.
        case shared

        /// The beginning of the last part of a shared key, which keeps shared keys apart from the others.
        private static let prefix: Key = "shared-"
        fileprivate static let mark = Array("shared:".utf8)

        /// The role of a key when it comes into being.
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
        /// Keys are put once, so in those that were put again a mark before the value cannot be an owner's text.
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
    /// The key is put again, so it keeps its place: its create revision, which makes the order, does not change. The keys
    /// behind it see either role, and no turn is taken back, since a shared key lets pass all that an exclusive one does,
    /// and more. A client that knows nothing of roles waits until the key is deleted, as before.
    ///
    /// - Returns: Whether that was done; if not, the key is not there.
    func downgrade(_ queueKey: QueueKey, at createRevision: Revision) async throws -> Bool {
        let value = Value(bytes: Role.mark + queueKey.value.bytes)
        return try await session.retryingUntilKnown(
            if: [Compare.Target.createRevision(queueKey.key) == createRevision],
            then: [.put(queueKey.key, value, lease: session.lease.id)]
        ).succeeded
    }
}

extension KeyValue {
    fileprivate var isDowngraded: Bool { version > 1 && value.bytes.starts(with: FairQueue.Role.mark) }

    /// The text of the owner of a key in a queue.
    var owner: Value {
        isDowngraded ? Value(bytes: Array(value.bytes.dropFirst(FairQueue.Role.mark.count))) : value
    }
}
