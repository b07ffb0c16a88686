// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A configuration as it was at one revision: a value that never changes.
///
/// ```swift
/// let now = config.snapshot
/// try connect(to: now.string("database/host"), port: now.int("database/port", default: 5432))
/// ```
///
/// What was changed by one transaction, or restored, is in a snapshot in whole or not at all. Taking one costs nothing.
public struct ConfigSnapshot: ConfigReader, Equatable {
    /// The revision of the store at which the configuration was like this.
    public var revision: Revision { content.revision }
    /// It was read from the file of an earlier run, since etcd had no acceptable state.
    public let isFromFile: Bool
    /// By the keys in etcd.
    private let content: MirrorView
    private let layout: ConfigLayout

    init(_ content: MirrorView, _ layout: ConfigLayout, isFromFile: Bool = false) {
        self.content = content
        self.layout = layout
        self.isFromFile = isFromFile
    }

    /// The values of `state`, all of one revision.
    init(_ state: ConfigState, at revision: Revision, _ layout: ConfigLayout, isFromFile: Bool) {
        let entries = state.values.compactMap { key, value -> KeyValue? in
            // What may not be written is not there to be read.
            (try? layout.full(key)).map { KeyValue($0, value, at: revision) }
        }
        let content = MirrorView(range: layout.range, revision: revision, entries: entries)
        self.init(content, layout, isFromFile: isFromFile)
    }

    /// The snapshot itself.
    public var snapshot: ConfigSnapshot { self }

    // MARK: Values

    func stored(_ key: Key) -> Value? {
        guard let full = try? layout.full(key) else { return nil }
        return content[full]?.value
    }

    /// The values of a key and of those below it, with their keys within the configuration, in the order of keys.
    func entries(under part: Key?) -> [(key: Key, value: Value)] {
        func values(_ range: KeyRange) -> [(key: Key, value: Value)] {
            content.entries(in: range).compactMap { entry in layout.key(entry.key).map { ($0, entry.value) } }
        }
        guard let part else { return values(layout.range) }
        guard let full = try? layout.full(part) else { return [] }
        return values(.key(full)) + values(.prefix(full + "/"))
    }

    func hasSameValues(as other: ConfigSnapshot) -> Bool {
        func values(_ snapshot: ConfigSnapshot) -> some Sequence<KeyValue> {
            snapshot.content.lazy.filter { layout.key($0.key) != nil }
        }
        return values(self).elementsEqual(values(other)) { $0.key == $1.key && $0.value == $1.value }
    }

    /// What is different from an older snapshot.
    ///
    /// - Parameters:
    ///   - old: The older snapshot.
    ///   - part: A key; what counts is its own value, and those under `<part>/`. Nil for all.
    /// - Returns: A change for each value that is different, in the order of keys.
    public func changes(since old: ConfigSnapshot, under part: Key? = nil) -> [ConfigChange] {
        var changes: [ConfigChange] = []
        var (before, after) = (old.entries(under: part)[...], entries(under: part)[...])
        while let first = before.first.map({ left in after.first.map { min(left.key, $0.key) } ?? left.key })
            ?? after.first?.key
        {
            let old = before.first?.key == first ? before.popFirst()?.value : nil
            let new = after.first?.key == first ? after.popFirst()?.value : nil
            if old != new { changes.append(ConfigChange(key: first, old: old, new: new, revision: revision)) }
        }
        return changes
    }

    /// The snapshot with other values in some places: as it would be after a change.
    func applying(_ writes: [Key: Value?]) -> ConfigSnapshot {
        let entries = writes.compactMap { key, value -> (Key, KeyValue?)? in
            guard let full = try? layout.full(key) else { return nil }
            return (full, value.map { KeyValue(full, $0, at: revision) })
        }
        return ConfigSnapshot(content.replacing(entries), layout, isFromFile: isFromFile)
    }
}

/// How a value of a configuration has changed.
public struct ConfigChange: Sendable, Hashable {
    /// The key within the configuration.
    public let key: Key
    /// The value as it was stored; nil if there was none.
    public let old: Value?
    /// The value as it is stored; nil if there is none any more.
    public let new: Value?
    /// The revision of the state in which it is so.
    public let revision: Revision

    /// The new value.
    ///
    /// - Parameter type: The wanted type.
    /// - Returns: The value; nil if there is none any more.
    /// - Throws: ``ConfigError`` with the code `wrongType`.
    public func value<Wanted: ConfigValue>(as type: Wanted.Type = Wanted.self) throws(ConfigError) -> Wanted? {
        guard let new else { return nil }
        guard let value = Wanted(stored: new) else { throw .wrongType(key, new, wanted: "\(type)") }
        return value
    }
}
