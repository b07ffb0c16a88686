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
    private let restorer: Restorer
    private let config: ConfigManager?

    private var client: EtcdClient { restorer.client }
    private var layout: ConfigLayout { restorer.layout }
    private var records: Key { layout.name + ".snapshots/records/" }
    private var states: Key { layout.name + ".snapshots/states/" }

    /// The snapshots of a manager's configuration, whose validator also has its say on what is restored.
    ///
    /// - Parameter config: The manager, which shows what was restored when ``restore(_:expecting:)`` returns.
    public init(_ config: ConfigManager) {
        self.config = config
        restorer = Restorer(client: config.client, layout: config.layout)
    }

    /// The snapshots of a configuration that is not followed.
    ///
    /// - Parameters:
    ///   - name: What the keys of the configuration begin with, before a slash.
    ///   - client: The way to the cluster.
    /// - Throws: ``EtcdError`` with the code `emptyKey` or `invalidArgument`.
    public init(_ name: Key, client: EtcdClient) throws(EtcdError) {
        config = nil
        restorer = Restorer(client: client, layout: try ConfigLayout(name))
    }

    // MARK: Saving

    /// Saves the present state.
    ///
    /// - Parameters:
    ///   - name: The name; nil for the next number, from 1.
    ///   - reason: Why it is saved.
    /// - Returns: What was saved.
    /// - Throws: ``ConfigError`` with the code `snapshotExists`, or `invalidKey` for an empty name; ``EtcdError``.
    @discardableResult
    public func create(_ name: String? = nil, reason: String = "") async throws -> SnapshotRecord {
        try await save(ConfigSnapshot(try await restorer.settled(), layout), name, reason, try await list())
    }

    private func save(
        _ snapshot: ConfigSnapshot,
        _ name: String?,
        _ reason: String,
        _ known: [SnapshotRecord]
    ) async throws -> SnapshotRecord {
        if name?.isEmpty == true { throw ConfigError(.invalidKey, "the name of the snapshot is empty") }
        let state = ConfigState(snapshot)
        let id = "\(Int(Date.now.timeIntervalSince1970))-\(String(UInt64.random(in: .min ... .max), radix: 16))"
        try await sweep(known)
        let (stored, areThere) = try await StoredState.write(state.encoded, as: id, in: states, client)
        var number = (known.compactMap { Int($0.name) }.max() ?? 0).addingReportingOverflow(1).partialValue
        while true {
            let record = SnapshotRecord.Fields(
                name: name ?? String(number),
                author: author,
                reason: reason,
                time: Date.now.timeIntervalSince1970,
                revision: snapshot.revision.rawValue,
                count: state.values.count,
                state: stored
            )
            let key = records + Key(record.name)
            // To try it once more after an outcome that is unknown finds the record.
            let response = try await client.persistAmbiguously { () throws(EtcdError) in
                try await client.transaction(
                    if: areThere + [.isMissing(key)],
                    then: [.put(key, StoredJSON.encode(record))],
                    else: [.get(key)]
                )
            }
            if response.succeeded { return SnapshotRecord(fields: record) }
            guard let entry = response.results.first?.entries.first else {
                throw ConfigError(.damaged, "the pieces of a state under \(states) were deleted while it was saved")
            }
            let other = try StoredJSON.decode(entry, as: SnapshotRecord.Fields.self)
            if other.state == stored { return SnapshotRecord(fields: other) }
            if let name {
                try await client.delete(.prefix(states + "\(id)/"))
                throw ConfigError(.snapshotExists, "there is a snapshot \"\(name)\" of \"\(layout.name)\"")
            }
            number += 1
        }
    }

    /// Deletes the pieces of states that were never completed: those without a record after an hour.
    private func sweep(_ known: [SnapshotRecord]) async throws {
        var keysOnly = RangeOptions()
        keysOnly.keysOnly = true
        let ids = Set(known.map(\.fields.state.id))
        let limit = Int(Date.now.timeIntervalSince1970) - 3600
        for entry in try await client.range(.prefix(states), options: keysOnly).entries {
            let path = String(decoding: entry.key.bytes.dropFirst(states.bytes.count), as: UTF8.self)
            let id = path.prefix { $0 != "/" }
            guard let time = Int(id.prefix { $0 != "-" }), time < limit, !ids.contains(String(id)) else { continue }
            // A record that still comes has the condition that the piece is there.
            try await client.delete(entry.key)
        }
    }

    // MARK: Looking

    /// Lists the snapshots.
    ///
    /// - Returns: What was saved, the oldest first.
    /// - Throws: ``EtcdError``; ``ConfigError`` with the code `damaged`.
    public func list() async throws -> [SnapshotRecord] {
        var options = RangeOptions()
        options.sort = .ascending(by: .createRevision)
        return try await client.range(.prefix(records), options: options).entries.map {
            SnapshotRecord(fields: try StoredJSON.decode($0, as: SnapshotRecord.Fields.self))
        }
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
        guard let entry = try await client.get(records + Key(name)) else {
            throw ConfigError(.noSnapshot, "there is no snapshot \"\(name)\" of \"\(layout.name)\"")
        }
        return SnapshotRecord(fields: try StoredJSON.decode(entry, as: SnapshotRecord.Fields.self))
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
        let known = try await list()
        let sum = ConfigState.sum(ConfigState(present).encoded)
        let before: SnapshotRecord
        if let saved = known.last(where: { $0.sha256 == sum }) {
            before = saved
        } else {
            before = try await save(present, nil, reason, known)
        }
        if let revision = try await restorer.replace(content, with: target) { await config?.catchUp(with: revision) }
        return before
    }

    // MARK: Forgetting

    /// Deletes a snapshot.
    ///
    /// - Parameter name: Its name.
    /// - Throws: ``ConfigError`` with the code `noSnapshot`; ``EtcdError``.
    public func delete(_ name: String) async throws {
        try await delete(try await record(name))
    }

    /// Deletes all snapshots but the newest.
    ///
    /// - Parameter count: How many to keep.
    /// - Throws: ``EtcdError``; ``ConfigError`` with the code `damaged`.
    public func prune(keeping count: Int) async throws {
        for record in try await list().dropLast(max(count, 0)) { try await delete(record) }
    }

    private func delete(_ record: SnapshotRecord) async throws {
        let pieces = KeyRange.prefix(states + "\(record.fields.state.id)/")
        try await client.transaction(then: [.delete(records + Key(record.name)), .delete(pieces)])
    }
}

extension EtcdClient {
    /// Repeats a transaction that finds itself, when its outcome is unknown, a few times.
    fileprivate func persistAmbiguously(
        _ transaction: () async throws(EtcdError) -> TransactionResponse
    ) async throws(EtcdError) -> TransactionResponse {
        for _ in 0..<3 {
            do throws(EtcdError) {
                return try await transaction()
            } catch {
                if error.code != .ambiguous { throw error }
            }
        }
        return try await transaction()
    }
}
