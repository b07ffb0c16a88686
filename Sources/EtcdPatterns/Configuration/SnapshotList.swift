// SPDX-License-Identifier: Apache-2.0

/// The snapshots of a configuration, and what stands beside them; see ``SnapshotManager/list()``.
public struct SnapshotList: Sendable {
    /// The saved snapshots, the oldest first.
    public let records: [SnapshotRecord]
    /// Records that cannot be read, each with its key and what is there instead, in the order of their keys.
    ///
    /// They harm no other record. ``SnapshotManager/delete(_:)`` removes one, by what follows `records/` in its key.
    public let problems: [ConfigError]
    /// The names of both.
    let names: Set<String>
}
