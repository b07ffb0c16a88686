// SPDX-License-Identifier: Apache-2.0

/// An entry of the store: a key with its value and its history.
public struct KeyValue: Sendable, Hashable, CustomStringConvertible {
    /// The key.
    public var key = Key(bytes: [])
    /// The value; empty where only keys were asked for.
    public var value = Value(bytes: [])
    /// The revision in which the key was created, after its last deletion.
    public var createRevision: Revision = 0
    /// The revision of the last change.
    public var modRevision: Revision = 0
    /// The number of puts since the key was created: 1 after the first put.
    public var version: Int64 = 0
    /// The lease that the key is attached to, if any.
    public var lease: Lease.ID? {
        get { leaseID == 0 ? nil : Lease.ID(rawValue: leaseID) }
        set { leaseID = newValue?.rawValue ?? 0 }
    }
    var leaseID: Int64 = 0

    init() {}

    /// Makes an entry as etcd returns it after the first put of its key.
    ///
    /// - Parameters:
    ///   - key: The key.
    ///   - value: The value.
    ///   - revision: The revision of the put.
    ///   - lease: The lease that the key is attached to; nil for none.
    public init(_ key: Key, _ value: Value, at revision: Revision, lease: Lease.ID? = nil) {
        self.key = key
        self.value = value
        createRevision = revision
        modRevision = revision
        version = 1
        self.lease = lease
    }

    /// The key, the value (its size, if it is large) and the revision.
    public var description: String {
        "\(key) = \(value.shortDescription) (revision \(modRevision)\(lease.map { ", lease \($0)" } ?? ""))"
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

    /// The revision after this one; the highest possible revision is its own.
    public var next: Revision { rawValue == .max ? self : Revision(rawValue: rawValue + 1) }

    /// The revision before this one; the lowest possible revision is its own.
    public var previous: Revision { rawValue == .min ? self : Revision(rawValue: rawValue - 1) }

    /// Whether `left` is older than `right`.
    public static func < (left: Revision, right: Revision) -> Bool { left.rawValue < right.rawValue }

    /// The number of the revision.
    public var description: String { String(rawValue) }
}

/// The member that answered, and the state of its store.
public struct ResponseHeader: Sendable, Hashable, CustomStringConvertible {
    /// The cluster.
    public var clusterID: UInt64 = 0
    /// The member that answered.
    public var memberID = Member.ID(rawValue: 0)
    /// The revision of the store when the answer was made.
    public var revision: Revision = 0
    /// The member's term of the Raft protocol.
    public var raftTerm: UInt64 = 0

    /// Makes a header in which all is 0.
    public init() {}

    /// The revision, the member and the term.
    public var description: String { "revision \(revision), member \(memberID), term \(raftTerm)" }
}
