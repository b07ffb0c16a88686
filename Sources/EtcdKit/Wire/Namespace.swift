// SPDX-License-Identifier: Apache-2.0

/// The keys under a prefix, as a store of their own: maps its keys and ranges to those of the whole store.
///
/// As in the whole store, a key has at least one byte, so the prefix itself is outside.
struct Namespace: Sendable, Hashable {
    /// Never empty.
    let prefix: Key
    /// The `range_end` of all keys that begin with the prefix.
    private let end: [UInt8]

    /// Nil for an empty prefix: that is the whole store.
    init?(prefix: Key) {
        if prefix.bytes.isEmpty { return nil }
        self.prefix = prefix
        end = KeyRange.prefix(prefix).end
    }

    // MARK: Into the whole store

    /// Puts the prefix before the key of a request.
    func enter(_ key: inout [UInt8]) throws(EtcdError) {
        if key.isEmpty { throw EtcdError(.emptyKey, "a key in the namespace \(prefix) is empty") }
        key = prefix.bytes + key
    }

    /// Puts the prefix before the range of a request; one that has no end ends where the namespace does.
    func enter(_ key: inout [UInt8], _ rangeEnd: inout [UInt8]) throws(EtcdError) {
        try enter(&key)
        if rangeEnd.isEmpty { return }
        rangeEnd = rangeEnd == KeyRange.all.end ? end : prefix.bytes + rangeEnd
    }

    // MARK: Back from it

    /// The key without the prefix; nil if it is outside.
    func inner(_ key: [UInt8]) -> [UInt8]? {
        let count = prefix.bytes.count
        return key.count > count && key.starts(with: prefix.bytes) ? Array(key[count...]) : nil
    }

    /// Removes the prefix from a key of an answer, which cannot be outside.
    func leave(_ key: inout [UInt8]) throws(EtcdError) {
        guard let inner = inner(key) else {
            let key = Key(bytes: key)
            throw EtcdError(.protocolViolation, "the answer has the key \(key), which is not under \(prefix)")
        }
        key = inner
    }

    /// Takes the prefix off the key of an answer.
    func leave(_ entry: inout KeyValue) throws(EtcdError) { try leave(&entry.key.bytes) }

    /// Takes the prefix off the keys of an answer.
    func leave(_ entries: inout [KeyValue]) throws(EtcdError) {
        for index in entries.indices { try leave(&entries[index]) }
    }

    /// Takes the prefix off the key of an answer, where there is an entry.
    func leave(_ entry: inout KeyValue?) throws(EtcdError) {
        guard var inner = entry else { return }
        try leave(&inner)
        entry = inner
    }
}

extension ElectedLeader {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) {
        try namespace.enter(&election.bytes)
        try namespace.enter(&key.bytes)
    }

    mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        try namespace.leave(&election.bytes)
        try namespace.leave(&key.bytes)
    }
}

extension KeyRange {
    /// The range of the whole store that this one stands for; an empty range stays as it is.
    func entering(_ namespace: Namespace?) -> KeyRange {
        guard let namespace, !isEmpty else { return self }
        var (start, end) = (start, end)
        // Only an empty key cannot be mapped, and that was excluded.
        try? namespace.enter(&start, &end)
        return KeyRange(start: start, end: end)
    }
}

extension WatchEvent {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        try namespace.leave(&entry)
        try namespace.leave(&previous)
    }
}
