// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// What is known of a saved state of a configuration; see ``SnapshotManager``.
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
        /// Where the values are.
        let state: StoredState
    }

    let fields: Fields

    /// The name of the snapshot: the one it was given, or a number.
    public var name: String { fields.name }
    /// Who saved it.
    public var author: String { fields.author }
    /// Why it was saved.
    public var reason: String { fields.reason }
    /// When it was saved, by the clock of who did.
    public var time: Date { Date(timeIntervalSince1970: fields.time) }
    /// The revision of the store at which the configuration was like this.
    public var revision: Revision { Revision(rawValue: fields.revision) }
    /// How many values it has.
    public var count: Int { fields.count }
    /// The SHA-256 of the values, in hexadecimal digits: states that are the same have the same.
    public var sha256: String { fields.state.sha256 }
    /// The name.
    public var id: String { name }
}
