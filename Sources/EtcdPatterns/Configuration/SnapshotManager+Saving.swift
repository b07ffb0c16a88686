// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

extension SnapshotManager {
    /// Saves the current state.
    ///
    /// - Parameters:
    ///   - name: The name; nil for the next number, from 1.
    ///   - reason: The reason for saving it.
    /// - Returns: The snapshot.
    /// - Throws: ``ConfigError`` with the code `snapshotExists`, or `invalidKey` for an empty name; ``EtcdError``.
    @discardableResult
    public func create(_ name: String? = nil, reason: String = "") async throws -> SnapshotRecord {
        try await save(ConfigView(try await restorer.settled(), layout), name, reason)
    }

    func save(_ view: ConfigView, _ name: String?, _ reason: String) async throws -> SnapshotRecord {
        if name?.isEmpty == true { throw ConfigError(.invalidKey, "the name of the snapshot is empty") }
        let state = ConfigState(view)
        let id = "\(Int(Date.now.timeIntervalSince1970))-\(String(UInt64.random(in: .min ... .max), radix: 16))"
        try await sweep()
        let (stored, areThere) = try await StoredState.write(state.encoded, as: id, in: states, client)
        let known = try await list().revisions.keys
        var number = known.compactMap { Self.number($0.dropping(records).description) }.max() ?? 0
        while true {
            number += 1
            let record = SnapshotRecord.Fields(
                name: name ?? String(number),
                author: author,
                reason: reason,
                time: Date.now.timeIntervalSince1970,
                revision: view.revision.rawValue,
                count: state.values.count,
                state: stored
            )
            let key = records + Key(record.name)
            // If an attempt with an unknown outcome has succeeded, the next one finds the record.
            let response = try await client.retryingUntilKnown(
                until: .after(client.timeout.bounded * 3),
                attempt: client.timeout
            ) { client throws(EtcdError) in
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
            // An unreadable record has a name, too.
            if let other = try? self.record(in: entry), other.fields.state == stored { return other }
            if let name {
                try await client.delete(.prefix(states + "\(id)/"))
                throw ConfigError(.snapshotExists, "there is a snapshot \"\(name)\" of \"\(layout.name)\"")
            }
        }
    }

    /// The number in a name; nil if it is none, or too large for many numbers after it.
    private static func number(_ name: String) -> Int? { Int(name).flatMap { (1..<1 << 53).contains($0) ? $0 : nil } }

    /// Deletes the pieces of incomplete snapshots: those without a record after an hour, by the clock of the process that has
    /// put them.
    ///
    /// That clock may be wrong. So a piece is deleted only if no record has come since the records were read, which is after
    /// the piece was seen. A record comes only if its pieces are there. If a record cannot be read, nothing is deleted, since
    /// its pieces are not known.
    private func sweep() async throws {
        let limit = Int(Date.now.timeIntervalSince1970) - 3600
        var old: [(id: String, key: Key)] = []
        var keysOnly = RangeOptions()
        keysOnly.keysOnly = true
        for try await entry in client.entries(in: .prefix(states), options: keysOnly) {
            let path = String(decoding: entry.key.dropping(states).bytes, as: UTF8.self)
            let id = path.prefix { $0 != "/" }
            if let time = Int(id.prefix { $0 != "-" }), time < limit { old.append((String(id), entry.key)) }
        }
        if old.isEmpty { return }
        let records = try await client.list(.prefix(records))
        var needed: Set<String> = []
        for entry in records {
            guard let record = try? record(in: entry) else { return }
            needed.insert(record.fields.state.id)
        }
        let given = old.filter { !needed.contains($0.id) }.map(\.key)
        let isComplete = Compare.Target.modRevision(in: records.range) < records.revision.next
        for start in stride(from: 0, to: given.count, by: ConfigLayout.maximumConditions) {
            let keys = given[start...].prefix(ConfigLayout.maximumConditions)
            let response = try await client.transaction(if: [isComplete], then: keys.map { .delete($0) })
            // The next creation tries again.
            if !response.succeeded { return }
        }
    }
}
