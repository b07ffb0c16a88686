// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// Saves states of a configuration under names, compares them, and restores a state at once, whatever its size.
///
/// ```swift
/// let snapshots = SnapshotManager(config)
/// let saved = try await snapshots.create(reason: "before the migration")
/// try await migrate()
/// try await snapshots.restore(saved.name)
/// ```
///
/// Snapshots are keys of their own, under `<name>.snapshots/`, which compactions and the deletion of the configuration do
/// not touch. Each has an author, a time and a reason.
public struct SnapshotManager: Sendable {
    /// The author of the snapshots; by default, the name and the number of the process.
    public var author = "\(ProcessInfo.processInfo.processName) \(ProcessInfo.processInfo.processIdentifier)"
    let restorer: Restorer
    /// A little less than etcd's default limit for a request.
    private static let maximumEntrySize = (3 << 19) - 1024
    private let config: ConfigManager?

    var client: EtcdClient { restorer.client }
    var layout: ConfigLayout { restorer.layout }
    var records: Key { layout.snapshots + "records/" }
    var states: Key { layout.snapshots + "states/" }

    /// Manages the snapshots of a manager's configuration, whose validator also checks what is restored.
    ///
    /// - Parameter config: The manager, which has the restored state when ``restore(_:expecting:)`` returns.
    public init(_ config: ConfigManager) {
        self.config = config
        restorer = Restorer(client: config.client, layout: config.layout)
    }

    /// Manages the snapshots of a configuration that is not followed.
    ///
    /// There is no validator, so this is also the way to give a configuration its first values, or to repair one with which
    /// no ``ConfigManager`` starts.
    ///
    /// - Parameters:
    ///   - name: The beginning of the keys of the configuration, before a slash.
    ///   - client: The client of the cluster.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: String, client: EtcdClient) throws(EtcdError) {
        config = nil
        restorer = Restorer(client: client, layout: try ConfigLayout(Key(name)))
    }

    // MARK: Reading

    /// Lists the snapshots.
    ///
    /// - Returns: The snapshots, and the records that cannot be read.
    /// - Throws: ``EtcdError``.
    public func list() async throws(EtcdError) -> SnapshotList {
        let entries = try await client.list(.prefix(records))
        var found: [(record: SnapshotRecord, createRevision: Revision)] = []
        var problems: [ConfigError] = []
        for entry in entries {
            do throws(ConfigError) {
                found.append((try record(in: entry), entry.createRevision))
            } catch {
                problems.append(error)
            }
        }
        return SnapshotList(
            records: found.sorted { $0.createRevision < $1.createRevision }.map(\.record),
            problems: problems,
            revisions: Dictionary(entries.map { ($0.key, $0.modRevision) }) { $1 }
        )
    }

    /// Reads the values of a snapshot.
    ///
    /// - Parameter name: Its name.
    /// - Returns: The stored values, by their keys within the configuration.
    /// - Throws: ``ConfigError`` with the code `noSnapshot` or `damaged`; ``EtcdError``.
    public func values(of name: String) async throws -> [Key: Value] {
        Dictionary(try await state(of: try await record(name)).values.map { ($0.key, $0.value) }) { $1 }
    }

    /// Compares two states.
    ///
    /// ```swift
    /// for change in try await snapshots.difference(from: nil, to: "1") { print(change.key, change.new ?? "is deleted") }
    /// ```
    ///
    /// - Parameters:
    ///   - old: The name of a snapshot; nil for the current state.
    ///   - new: The name of a snapshot; nil for the current state.
    /// - Returns: The changes from the one to the other, in the order of keys. From nil to a snapshot, they are the
    ///   changes that its restoration would make.
    /// - Throws: ``ConfigError`` with the code `noSnapshot` or `damaged`; ``EtcdError``.
    public func difference(from old: String?, to new: String?) async throws -> [ConfigChange] {
        try await view(of: new).changes(since: try await view(of: old))
    }

    private func view(of name: String?) async throws -> ConfigView {
        guard let name else { return ConfigView(try await restorer.settled(), layout) }
        let record = try await record(name)
        return ConfigView(try await state(of: record), at: record.revision, layout, isFromFile: false)
    }

    private func record(_ name: String) async throws -> SnapshotRecord { try record(in: try await entry(name)) }

    private func entry(_ name: String) async throws -> KeyValue {
        if let entry = try await client.get(records + Key(name)) { return entry }
        throw ConfigError(.noSnapshot, "there is no snapshot \"\(name)\" of \"\(layout.name)\"")
    }

    func record(in entry: KeyValue) throws(ConfigError) -> SnapshotRecord {
        let fields = try StoredJSON.decode(entry, as: SnapshotRecord.Fields.self)
        if Key(fields.name) != entry.key.dropping(records) {
            let text = "\"\(entry.key)\" is the record of another snapshot, \"\(fields.name)\""
            throw ConfigError(.damaged, text, key: entry.key, value: entry.value)
        }
        return SnapshotRecord(fields: fields)
    }

    private func state(of record: SnapshotRecord) async throws -> ConfigState {
        var pieces: [Key: Value] = [:]
        for number in 0..<max(record.fields.state.pieces, 0) {
            let key = record.fields.state.piece(number, in: states)
            guard let piece = try await client.get(key)?.value else { break }
            pieces[key] = piece
        }
        return try record.fields.state.read(in: states) { pieces[$0] }
    }

    // MARK: Restoring

    /// Restores a snapshot: all values are as they were, and other values are deleted.
    ///
    /// Readers see the old state or the new one, also if this process is killed meanwhile. The current state is saved
    /// first, unless it is a snapshot already, so that it can be restored in turn.
    ///
    /// - Parameters:
    ///   - name: The name of the snapshot.
    ///   - revision: A change after this revision, such as that of the view which was compared, is a conflict. If it is nil,
    ///     only a change during the restoration is one.
    /// - Returns: The snapshot of the state before.
    /// - Throws: ``ConfigError``: `noSnapshot`, `damaged`, `conflict`, the validator's error, after all of which nothing has
    ///   changed, and `unfinished`; ``EtcdError``.
    @discardableResult
    public func restore(_ name: String, expecting revision: Revision? = nil) async throws -> SnapshotRecord {
        let state = try await state(of: try await record(name))
        return try await replace(with: state, expecting: revision, "before the restoration of \(name)")
    }

    /// Replaces all values, as ``restore(_:expecting:)`` does with those of a snapshot.
    ///
    /// - Parameters:
    ///   - values: All values, by their keys within the configuration.
    ///   - revision: A change after this revision is a conflict; if it is nil, only a change during the replacement is one.
    /// - Returns: The snapshot of the state before.
    /// - Throws: ``ConfigError``: `invalidKey`, `conflict`, the validator's error, after all of which nothing has changed, and
    ///   `unfinished`; ``EtcdError``, among its codes `requestTooLarge` for a value that fits no request.
    @discardableResult
    public func replace(
        with values: [Key: any ConfigConvertible],
        expecting revision: Revision? = nil
    ) async throws -> SnapshotRecord {
        for (key, value) in values {
            let (full, size) = (try layout.full(key), value.configValue.bytes.count)
            // A larger value would be in effect, but could never be copied to its plain key.
            if full.bytes.count * 2 + size > Self.maximumEntrySize {
                let limit = "more than the \(Self.maximumEntrySize) for a value and its key"
                throw EtcdError(.requestTooLarge, "the value of \"\(full)\" has \(size) bytes, \(limit)")
            }
        }
        let state = ConfigState(values.mapValues(\.configValue))
        return try await replace(with: state, expecting: revision, "before a replacement")
    }

    private func replace(
        with target: ConfigState,
        expecting expected: Revision?,
        _ reason: String
    ) async throws -> SnapshotRecord {
        let content = try await restorer.settled()
        let present = ConfigView(content, layout)
        try config?.follower.options.check(ConfigView(target, at: present.revision, layout, isFromFile: false))
        if let expected, let newest = layout.newestChange(in: content), newest.modRevision > expected {
            let text = "\"\(newest.key)\" was changed in revision \(newest.modRevision), after \(expected)"
            throw ConfigError(.conflict, text, key: layout.key(newest.key))
        }
        let before: SnapshotRecord
        if let known = try await known(ConfigState(present)) {
            before = known
        } else {
            before = try await save(present, nil, reason)
        }
        if let revision = try await restorer.replace(content, with: target) { await config?.catchUp(with: revision) }
        return before
    }

    /// An undamaged snapshot of this state; nil if there is none.
    private func known(_ present: ConfigState) async throws -> SnapshotRecord? {
        let sum = ConfigState.sum(present.encoded)
        for record in try await list().records.reversed() where record.sha256 == sum {
            do {
                _ = try await state(of: record)
                return record
            } catch let error as ConfigError where error.code == .damaged {
                continue
            }
        }
        return nil
    }

    // MARK: Deleting

    /// Deletes a snapshot, or a record that cannot be read.
    ///
    /// - Parameter name: Its name.
    /// - Throws: ``ConfigError`` with the code `noSnapshot`; ``EtcdError``.
    public func delete(_ name: String) async throws {
        let entry = try await entry(name)
        try await delete([entry.key: entry.modRevision], from: try await list())
    }

    /// Deletes all snapshots but the newest.
    ///
    /// Records that cannot be read are left alone, and do not count.
    ///
    /// - Parameter count: How many to keep.
    /// - Throws: ``EtcdError``.
    public func prune(keeping count: Int) async throws(EtcdError) {
        let list = try await list()
        let old = Set(list.records.dropLast(max(count, 0)).map { records + Key($0.name) })
        try await delete(list.revisions.filter { old.contains($0.key) }, from: list)
    }

    /// Deletes records that have not changed since these revisions, and the pieces of their states, unless another record
    /// refers to them too.
    private func delete(_ old: [Key: Revision], from list: SnapshotList) async throws(EtcdError) {
        let states = Dictionary(list.records.map { (records + Key($0.name), $0.fields.state.id) }) { $1 }
        let needed = Set(states.filter { old[$0.key] == nil }.values)
        for (key, revision) in old {
            var steps = [TransactionOperation.delete(key)]
            // The pieces of an unreadable record are not known.
            if let id = states[key], !needed.contains(id) { steps.append(.delete(.prefix(self.states + "\(id)/"))) }
            try await client.transaction(if: [Compare.Target.modRevision(key) == revision], then: steps)
        }
    }
}
