// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A configuration as it was at one revision: a value that never changes.
///
/// ```swift
/// let now = config.view
/// try connect(to: now.string("database/host"), port: now.int("database/port", default: 5432))
/// ```
///
/// A view has all changes of a transaction or a restoration, or none of them; of a large restoration of a configuration
/// within this one, or around it, it has parts until that is complete. Taking a view costs nothing.
public struct ConfigView: ConfigReading, Equatable, CustomStringConvertible {
    /// The revision of the store that the view shows.
    public var revision: Revision { content.revision }
    /// Whether it was read from the file of an earlier run, since etcd had no acceptable state.
    public let isFromFile: Bool
    /// The entries, by their keys in etcd.
    private let content: MirrorView
    private let layout: ConfigLayout
    /// Gets the error of a getter that has returned its default for a value of another type.
    private var onMistake: (@Sendable (ConfigError) -> Void)?

    init(_ content: MirrorView, _ layout: ConfigLayout, isFromFile: Bool = false) {
        self.content = content
        self.layout = layout
        self.isFromFile = isFromFile
    }

    /// The values of `state`, all of one revision.
    init(_ state: ConfigState, at revision: Revision, _ layout: ConfigLayout, isFromFile: Bool) {
        let entries = layout.entries(of: state, at: revision)
        let content = MirrorView(range: layout.range, revision: revision, entries: entries)
        self.init(content, layout, isFromFile: isFromFile)
    }

    /// Makes a view of values, for tests, and for defaults in the code of a program.
    ///
    /// - Parameters:
    ///   - values: The values, by their keys within the configuration; a key that no configuration can have is left out.
    ///   - revision: The revision of the view.
    public init(_ values: [Key: any ConfigConvertible], revision: Revision = 0) {
        let state = ConfigState(values.mapValues(\.configValue))
        self.init(state, at: revision, ConfigLayout(unchecked: "config"), isFromFile: false)
    }

    /// The view itself.
    public var view: ConfigView { self }

    /// The revision and the number of values in one line.
    public var description: String { "\(entries(under: nil).count) values at revision \(revision)" }

    /// Whether two views have the same entries at the same revision, from the same source.
    public static func == (left: Self, right: Self) -> Bool {
        left.content == right.content && left.isFromFile == right.isFromFile
    }

    // MARK: Mistakes

    /// The view with a closure that gets the errors of getters with a default.
    func reporting(to onMistake: @escaping @Sendable (ConfigError) -> Void) -> ConfigView {
        var view = self
        view.onMistake = onMistake
        return view
    }

    /// The result of `read`; nil if there is no value, or if it is of another type, which is reported.
    func recover<Wanted>(from read: () throws(ConfigError) -> Wanted?) -> Wanted? {
        do throws(ConfigError) {
            return try read()
        } catch {
            if error.code != .missing { onMistake?(error) }
            return nil
        }
    }

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

    func hasSameValues(as other: ConfigView) -> Bool {
        func values(_ view: ConfigView) -> some Sequence<KeyValue> {
            view.content.lazy.filter { layout.key($0.key) != nil }
        }
        return values(self).elementsEqual(values(other)) { $0.key == $1.key && $0.value == $1.value }
    }

    /// The differences to an older view.
    ///
    /// - Parameters:
    ///   - old: The older view.
    ///   - part: A key, which stands for its own value and those under `<part>/`; nil for all.
    /// - Returns: A change for each value that is different, in the order of keys.
    public func changes(since old: ConfigView, under part: Key? = nil) -> [ConfigChange] {
        let (before, after) = (old.values(under: part), values(under: part))
        let keys = Set(before.keys).union(after.keys).filter { before[$0] != after[$0] }
        return keys.sorted().map { ConfigChange(key: $0, old: before[$0], new: after[$0], revision: revision) }
    }

    /// The view with other values under some keys: as it would be after a change.
    func applying(_ writes: [Key: Value?]) -> ConfigView {
        let entries = writes.compactMap { key, value -> (Key, KeyValue?)? in
            guard let full = try? layout.full(key) else { return nil }
            return (full, value.map { KeyValue(full, $0, at: revision) })
        }
        return ConfigView(content.replacing(entries), layout, isFromFile: isFromFile)
    }
}

/// A change of a value of a configuration; see ``ConfigManager/changes(of:interval:)``.
public struct ConfigChange: Sendable, Hashable, CustomStringConvertible {
    /// The key within the configuration.
    public let key: Key
    /// The old value as it was stored; nil if there was none.
    public let old: Value?
    /// The new value as it is stored; nil if it was deleted.
    public let new: Value?
    /// The revision of the state with the new value.
    public let revision: Revision

    /// Makes a change, for tests; the parameters are its properties.
    public init(key: Key, old: Value?, new: Value?, revision: Revision) {
        self.key = key
        self.old = old
        self.new = new
        self.revision = revision
    }

    /// The new value.
    ///
    /// - Parameter type: The requested type.
    /// - Returns: The value; nil if it was deleted.
    /// - Throws: ``ConfigError`` with the code `wrongType`.
    public func value<Wanted: ConfigConvertible>(as type: Wanted.Type = Wanted.self) throws(ConfigError) -> Wanted? {
        try Wanted.read(new, of: key)
    }

    /// The key, the old value and the new one in one line.
    public var description: String {
        func shown(_ value: Value?) -> String { value.map { "\"\(ConfigError.abridged($0))\"" } ?? "unset" }
        return "\"\(key)\" was \(shown(old)), is \(shown(new))"
    }
}
