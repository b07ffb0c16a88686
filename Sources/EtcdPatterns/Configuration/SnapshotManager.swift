// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
import Foundation

/// Saves states of a configuration under names, compares them, and restores them at once, whatever their size.
///
/// ```swift
/// let snapshots = SnapshotManager(config)
/// let saved = try await snapshots.create(reason: "before the migration")
/// try await migrate()
/// try await snapshots.restore(saved.name)
/// ```
///
/// Snapshots are keys of their own, under `<name>.snapshots/`: neither compactions nor the deletion of the configuration
/// touch them. Each is the history's record of who has saved what, when and why.
public struct SnapshotManager: Sendable {
    /// Who is noted in what is saved; by default, the name and the number of the process.
    public var author = "\(ProcessInfo.processInfo.processName) \(ProcessInfo.processInfo.processIdentifier)"
    let restorer: Restorer
    private let config: ConfigManager?

    var client: EtcdClient { restorer.client }
    var layout: ConfigLayout { restorer.layout }
    var records: Key { layout.snapshots + "records/" }
    var states: Key { layout.snapshots + "states/" }

    /// The snapshots of a manager's configuration, whose validator also has its say on what is restored.
    ///
    /// - Parameter config: The manager, which shows what was restored when ``restore(_:expecting:)`` returns.
    public init(_ config: ConfigManager) {
        self.config = config
        restorer = Restorer(client: config.client, layout: config.layout)
    }

    /// The snapshots of a configuration that is not followed.
    ///
    /// No validator is asked, so this is also the way to give a configuration its first values, or to repair one that no
    /// ``ConfigManager`` starts with.
    ///
    /// - Parameters:
    ///   - name: What the keys of the configuration begin with, before a slash.
    ///   - client: The way to the cluster.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, client: EtcdClient) throws(EtcdError) {
        config = nil
        restorer = Restorer(client: client, layout: try ConfigLayout(name))
    }

    // MARK: Looking

    /// Lists the snapshots.
    ///
    /// - Returns: What was saved, and what is there that is no record.
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
            names: Set(entries.map { name(of: $0.key).description })
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
    ///   - old: The name of a snapshot; nil for the present state.
    ///   - new: The name of a snapshot; nil for the present state.
    /// - Returns: What leads from the one to the other, in the order of keys: from nil to a snapshot, what restoring it
    ///   would change.
    /// - Throws: ``ConfigError`` with the code `noSnapshot` or `damaged`; ``EtcdError``.
    public func difference(from old: String?, to new: String?) async throws -> [ConfigChange] {
        try await snapshot(new).changes(since: try await snapshot(old))
    }

    private func snapshot(_ name: String?) async throws -> ConfigSnapshot {
        guard let name else { return ConfigSnapshot(try await restorer.settled(), layout) }
        let record = try await record(name)
        return ConfigSnapshot(try await state(of: record), at: record.revision, layout, isFromFile: false)
    }

    private func record(_ name: String) async throws -> SnapshotRecord {
        try record(in: try await entry(name))
    }

    private func entry(_ name: String) async throws -> KeyValue {
        if let entry = try await client.get(records + Key(name)) { return entry }
        throw ConfigError(.noSnapshot, "there is no snapshot \"\(name)\" of \"\(layout.name)\"")
    }

    func record(in entry: KeyValue) throws(ConfigError) -> SnapshotRecord {
        let fields = try StoredJSON.decode(entry, as: SnapshotRecord.Fields.self)
        if Key(fields.name) != name(of: entry.key) {
            let text = "\"\(entry.key)\" is the record of another snapshot, \"\(fields.name)\""
            throw ConfigError(.damaged, text, key: entry.key, value: entry.value)
        }
        return SnapshotRecord(fields: fields)
    }

    private func name(of record: Key) -> Key { Key(bytes: Array(record.bytes.dropFirst(records.bytes.count))) }

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

    /// Makes a snapshot the configuration: all values are as they were, and others are gone.
    ///
    /// Readers see the old state or the new one, also when this process is killed on the way. What was there before is
    /// saved first, unless it is a snapshot already, so that it can be restored in turn.
    ///
    /// - Parameters:
    ///   - name: The name of the snapshot.
    ///   - revision: Refuses to, if a value was changed after this revision, such as that of the snapshot which was
    ///     compared. Nil to refuse only what is changed while this runs.
    /// - Returns: The snapshot of what was there before.
    /// - Throws: ``ConfigError``: `noSnapshot`, `damaged`, `conflict`, what the validator throws, after all of which
    ///   nothing has changed, and `unfinished`; ``EtcdError``.
    @discardableResult
    public func restore(_ name: String, expecting revision: Revision? = nil) async throws -> SnapshotRecord {
        let state = try await state(of: try await record(name))
        return try await replace(with: state, expecting: revision, "before the restoration of \(name)")
    }

    /// Makes `values` the configuration, as ``restore(_:expecting:)`` does with a snapshot.
    ///
    /// - Parameters:
    ///   - values: All values, by their keys within the configuration.
    ///   - revision: Refuses to, if a value was changed after this revision; nil to refuse only what is changed while
    ///     this runs.
    /// - Returns: The snapshot of what was there before.
    /// - Throws: ``ConfigError``: `invalidKey`, `conflict`, what the validator throws, after all of which nothing has
    ///   changed, and `unfinished`; ``EtcdError``.
    @discardableResult
    public func replace(
        with values: [Key: any ConfigValue],
        expecting revision: Revision? = nil
    ) async throws -> SnapshotRecord {
        for key in values.keys { _ = try layout.full(key) }
        let state = ConfigState(values.mapValues(\.stored))
        return try await replace(with: state, expecting: revision, "before a replacement")
    }

    private func replace(
        with target: ConfigState,
        expecting expected: Revision?,
        _ reason: String
    ) async throws -> SnapshotRecord {
        let content = try await restorer.settled()
        let present = ConfigSnapshot(content, layout)
        do {
            let snapshot = ConfigSnapshot(target, at: present.revision, layout, isFromFile: false)
            try config?.follower.options.validate?(snapshot)
        } catch {
            throw ConfigError.refusal(error)
        }
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

    /// A snapshot that has this state, and can be restored.
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

    // MARK: Forgetting

    /// Deletes a snapshot, or a record that cannot be read.
    ///
    /// - Parameter name: Its name.
    /// - Throws: ``ConfigError`` with the code `noSnapshot`; ``EtcdError``.
    public func delete(_ name: String) async throws {
        let entry = try await entry(name)
        try await delete([entry.key], from: try await list())
    }

    /// Deletes all snapshots but the newest.
    ///
    /// Records that cannot be read are left alone, and do not count.
    ///
    /// - Parameter count: How many to keep.
    /// - Throws: ``EtcdError``.
    public func prune(keeping count: Int) async throws(EtcdError) {
        let list = try await list()
        try await delete(list.records.dropLast(max(count, 0)).map { records + Key($0.name) }, from: list)
    }

    /// Deletes records, and the pieces of their states that no other record has, as a copied one would.
    private func delete(_ keys: [Key], from list: SnapshotList) async throws(EtcdError) {
        let states = Dictionary(list.records.map { (records + Key($0.name), $0.fields.state.id) }) { $1 }
        let needed = Set(states.filter { !keys.contains($0.key) }.values)
        for key in keys {
            var steps = [TransactionOperation.delete(key)]
            // The pieces of a record that cannot be read are not known.
            if let id = states[key], !needed.contains(id) { steps.append(.delete(.prefix(self.states + "\(id)/"))) }
            try await client.transaction(then: steps)
        }
    }
}
