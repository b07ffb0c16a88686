// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The keys of a configuration.
///
/// A value is under `<name>/<key>`, so that any client can put it. The library's own keys have a part, between slashes, that
/// begins with a dot, or one that ends in `.snapshots` and is not the last:
///
/// - `<name>/.restore` is there while a large state that is in effect is not in the plain keys yet; see ``Restorer``.
/// - `<name>/.restore/<id>/<number>` are the pieces of such a state.
/// - `<name>/.deletion` is put with each deletion, since a deletion leaves no revision to compare; its value is the key.
/// - `<name>.snapshots/…` are the snapshots; see ``SnapshotManager``.
///
/// Such a key is never a value. So one configuration can lie within another, as `config/app` within `config`, which then
/// has the values of both.
struct ConfigLayout: Sendable, Hashable {
    let name: Key

    init(_ name: Key) throws(EtcdError) {
        try name.checkName(of: "configuration")
        if Self.isReserved(name + "/") {
            let rule = "a part of it begins with a dot or ends in \".snapshots\", as only the library's own keys do"
            throw EtcdError(.invalidArgument, "\"\(name)\" cannot be the name of a configuration: \(rule)")
        }
        self.name = name
    }

    /// A layout for a name that is known to be valid.
    init(unchecked name: Key) { self.name = name }

    var base: Key { name + "/" }

    /// All keys.
    var range: KeyRange { .prefix(base) }
    /// Refers to a state that is to be copied to the plain keys.
    var pointer: Key { base + ".restore" }
    /// The beginning of the keys of staged states, including abandoned ones.
    var stages: Key { pointer + "/" }
    var deletion: Key { base + ".deletion" }
    /// The beginning of the keys of snapshots.
    var snapshots: Key { name + ".snapshots/" }

    // MARK: Values

    /// The key in etcd of a key within the configuration.
    func full(_ key: Key) throws(ConfigError) -> Key {
        if key.bytes.isEmpty { throw ConfigError(.invalidKey, "the key is empty", key: key) }
        if Self.isReserved(key) {
            let rule = "begins with a dot, or ends in \".snapshots\", as only in the library's own keys"
            throw ConfigError(.invalidKey, "a part of \"\(key)\" \(rule)", key: key)
        }
        return base + key
    }

    /// The key within the configuration of a key in etcd; nil for the library's own.
    func key(_ full: Key) -> Key? {
        guard full.hasPrefix(base) else { return nil }
        let key = full.dropping(base)
        return key.bytes.isEmpty || Self.isReserved(key) ? nil : key
    }

    /// The entries of a stored state, all of one revision; a value whose key is not allowed is left out.
    func entries(of state: ConfigState, at revision: Revision) -> [KeyValue] {
        state.values.compactMap { key, value in (try? full(key)).map { KeyValue($0, value, at: revision) } }
    }

    private static let (dot, slash) = (UInt8(ascii: "."), UInt8(ascii: "/"))
    private static let snapshotsEnding = Array(".snapshots".utf8)

    /// Whether a key, or a prefix of it, is reserved for the library.
    private static func isReserved(_ key: Key) -> Bool {
        var previous = slash
        for (index, byte) in key.bytes.enumerated() {
            if byte == dot && previous == slash { return true }
            if byte == slash, key.bytes[..<index].suffix(snapshotsEnding.count).elementsEqual(snapshotsEnding) {
                return true
            }
            previous = byte
        }
        return false
    }

    // MARK: Changes

    /// The value that was changed last, or the trace of a deletion.
    func newestChange(in content: MirrorView) -> KeyValue? {
        content.filter { key($0.key) != nil || $0.key.hasSuffix("/.deletion") }.max { $0.modRevision < $1.modRevision }
    }

    /// The operations that set values, and delete those that are nil.
    func operations(for writes: [Key: Value?]) throws(ConfigError) -> [TransactionOperation] {
        var operations: [TransactionOperation] = []
        for (key, value) in writes {
            let full = try full(key)
            operations.append(value.map { .put(full, $0) } ?? .delete(full))
        }
        // A deletion leaves no revision to compare, so a key is put for it.
        let deleted = writes.filter { $0.value == nil }.keys.max()
        if let deleted { operations.append(.put(deletion, Value(bytes: deleted.bytes))) }
        return operations
    }

    /// The number of conditions of one transaction: a little less than etcd's default limit.
    static let maximumConditions = 120

    /// The conditions that the configuration is as in `content`; the first three are needed in any case.
    ///
    /// A deletion by this library puts a key. A deletion by other clients is noticed if there are few enough keys for a
    /// condition for each.
    func isUnchanged(since content: MirrorView) -> [Compare] {
        // The zero is the byte after the slash. The pieces of staged states do not count.
        let ranges: [KeyRange] = [.between(base, pointer), .between(pointer + "0", name + "0")]
        let conditions = [.isMissing(pointer)] + ranges.map { .modRevision(in: $0) < content.revision.next }
        let keys = content.map(\.key).filter { key($0) != nil }
        let hasRoom = conditions.count + keys.count <= Self.maximumConditions
        return hasRoom ? conditions + keys.map { .exists($0) } : conditions
    }

    /// The configurations within this one that have a large state in effect which is not in their plain keys yet.
    func pendingInside(_ content: MirrorView) -> [ConfigLayout] {
        let suffix: Key = "/.restore"
        return content.compactMap { entry in
            guard entry.key != pointer, entry.key.hasSuffix(suffix) else { return nil }
            return try? ConfigLayout(Key(bytes: Array(entry.key.bytes.dropLast(suffix.bytes.count))))
        }
    }
}

extension Key {
    fileprivate func hasSuffix(_ suffix: Key) -> Bool { bytes.suffix(suffix.bytes.count).elementsEqual(suffix.bytes) }
}

/// Makes views of the keys in etcd, also while a large state is being copied to the plain keys.
///
/// While the pointer to such a state exists, the configuration is this state, overlaid with the plain keys that were put
/// after the pointer: the copies of the state itself, and changes by others. So the view is the same before the first copy
/// and after the last, and no reader sees a mix.
struct ConfigOverlay: Sendable {
    let layout: ConfigLayout
    /// The state that was read last, and its pointer.
    ///
    /// The whole pointer is compared, since in a restored store another pointer may have the same revision.
    private(set) var staged: (pointer: KeyValue, state: ConfigState)?

    /// The pointer in `content`, and the state that it refers to; nil if there is none.
    mutating func pending(in content: MirrorView) throws(ConfigError) -> (pointer: KeyValue, state: ConfigState)? {
        guard let pointer = content[layout.pointer] else {
            staged = nil
            return nil
        }
        if let staged, staged.pointer == pointer { return (pointer, staged.state) }
        let stored = try StoredJSON.decode(pointer, as: StoredState.self)
        let state = try stored.read(in: layout.stages) { content[$0]?.value }
        staged = (pointer, state)
        return (pointer, state)
    }

    /// The configuration in `content`.
    mutating func view(of content: MirrorView) throws(ConfigError) -> ConfigView {
        guard let (pointer, state) = try pending(in: content) else { return ConfigView(content, layout) }
        let newer = content.filter { $0.modRevision > pointer.modRevision && layout.key($0.key) != nil }
        let old = layout.entries(of: state, at: pointer.modRevision)
        let entries = MirrorView(range: layout.range, revision: content.revision, entries: old + newer)
        return ConfigView(entries, layout)
    }
}
