// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension KeyQueue {
    /// Whom a key has to wait for.
    enum Role: Sendable {
        /// All that came before.
        case exclusive
        /// The exclusive ones that came before.
        case shared

        /// What the last part of a shared key begins with, so that the others are apart from them.
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

        /// Where the keys are that one of this role waits for, if they have come before it.
        ///
        /// The waiters behind many readers need not look at these.
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
    func candidacy(_ role: Role, _ value: Value) -> Candidacy {
        let nonce = String(UInt64.random(in: .min ... .max), radix: 16)
        let key = role.key(in: name, Key("\(session.lease.id)-\(nonce)"))
        session.witness.uses(key)
        return Candidacy(key, value, leftovers)
    }

    /// Makes an exclusive key that is in the queue a shared one.
    ///
    /// The key is put again, so it stays where it is: its create revision, which makes the order, does not change. Those
    /// behind it see either role, and nobody's turn is taken back, since a shared key lets pass whom an exclusive one
    /// does, and more. Whoever knows nothing of roles waits until the key is deleted, as before.
    ///
    /// - Returns: Whether that was done; if not, the key is not there.
    func downgrade(_ candidacy: Candidacy, at createRevision: Revision) async throws -> Bool {
        let value = Value(bytes: Role.mark + candidacy.value.bytes)
        return try await session.settle(
            if: [Compare.Target.createRevision(candidacy.key) == createRevision],
            then: [.put(candidacy.key, value, lease: session.lease.id)]
        ).succeeded
    }
}

extension KeyValue {
    fileprivate var isDowngraded: Bool { version > 1 && value.bytes.starts(with: KeyQueue.Role.mark) }

    /// What the owner of a key in a queue says of itself.
    var owner: Value {
        isDowngraded ? Value(bytes: Array(value.bytes.dropFirst(KeyQueue.Role.mark.count))) : value
    }
}
