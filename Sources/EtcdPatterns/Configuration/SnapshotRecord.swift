// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// The record of a saved state of a configuration; see ``SnapshotManager``.
public struct SnapshotRecord: Sendable, Hashable, Identifiable {
    /// The record as it is stored.
    struct Fields: Sendable, Hashable, Codable {
        let name: String
        let author: String
        let reason: String
        /// Seconds since 1970.
        let time: Double
        let revision: Int64
        let count: Int
        /// The values.
        let state: StoredState
    }

    let fields: Fields

    /// The name of the snapshot: the one it was given, or a number.
    public var name: String { fields.name }
    /// The author.
    public var author: String { fields.author }
    /// The reason for saving it.
    public var reason: String { fields.reason }
    /// The time at which it was saved, by the author's clock.
    public var time: Date { Date(timeIntervalSince1970: fields.time) }
    /// The revision of the store that the snapshot shows.
    public var revision: Revision { Revision(rawValue: fields.revision) }
    /// The number of values.
    public var count: Int { fields.count }
    /// The SHA-256 of the values, in hexadecimal digits; equal states have equal sums.
    public var sha256: String { fields.state.sha256 }
    /// The name.
    public var id: String { name }
}

/// The snapshots of a configuration, and the records that cannot be read; see ``SnapshotManager/list()``.
public struct SnapshotList: Sendable {
    /// The saved snapshots, the oldest first.
    public let records: [SnapshotRecord]
    /// The records that cannot be read, each with its key and its value, in the order of their keys.
    ///
    /// They harm no other record. ``SnapshotManager/delete(_:)`` removes one, by the part of its key after `records/`.
    public let problems: [ConfigError]
    /// The revisions of the last changes of both, by their keys.
    let revisions: [Key: Revision]
}
