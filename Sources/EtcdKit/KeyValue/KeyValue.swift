// SPDX-License-Identifier: Apache-2.0

/// An entry of the store: a key with its value and its history.
public struct KeyValue: Sendable, Hashable {
    /// The key.
    public internal(set) var key = Key(bytes: [])
    /// The value; empty where only keys were asked for.
    public internal(set) var value = Value(bytes: [])
    /// The revision in which the key came into being, after its last deletion.
    public internal(set) var createRevision: Revision = 0
    /// The revision of the last change.
    public internal(set) var modRevision: Revision = 0
    /// How often the key was put since it came into being: 1 after the first put.
    public internal(set) var version: Int64 = 0
    /// The lease that the key is attached to, if any.
    public var lease: Lease.ID? { leaseID == 0 ? nil : Lease.ID(rawValue: leaseID) }
    var leaseID: Int64 = 0

    init() {}

    /// An entry that was put once, at `revision`.
    package init(_ key: Key, _ value: Value, at revision: Revision) {
        self.key = key
        self.value = value
        createRevision = revision
        modRevision = revision
        version = 1
    }
}

/// A point in the history of the store.
///
/// Every change makes a new one.
public struct Revision: RawRepresentable, Sendable, Hashable, Comparable, ExpressibleByIntegerLiteral,
    CustomStringConvertible
{
    /// The number of the revision.
    public var rawValue: Int64

    /// Makes a revision of its number.
    ///
    /// - Parameter rawValue: The number; revisions of a store count from 1.
    public init(rawValue: Int64) { self.rawValue = rawValue }

    /// Makes a revision of an integer literal.
    ///
    /// - Parameter value: The literal.
    public init(integerLiteral value: Int64) { self.init(rawValue: value) }

    /// The revision after this one; the last one there can be is its own.
    public var next: Revision { rawValue == .max ? self : Revision(rawValue: rawValue + 1) }

    /// The revision before this one; the first one there can be is its own.
    public var previous: Revision { rawValue == .min ? self : Revision(rawValue: rawValue - 1) }

    /// Whether `left` is older than `right`.
    public static func < (left: Revision, right: Revision) -> Bool { left.rawValue < right.rawValue }

    /// The number of the revision.
    public var description: String { String(rawValue) }
}

/// What every answer of etcd says of the member that gave it.
public struct ResponseHeader: Sendable, Hashable {
    /// The cluster.
    public package(set) var clusterID: UInt64 = 0
    /// The member that answered.
    public package(set) var memberID = Member.ID(rawValue: 0)
    /// The revision of the store when the answer was made.
    public package(set) var revision: Revision = 0
    /// The member's term of the Raft protocol.
    public package(set) var raftTerm: UInt64 = 0

    package init() {}
}
