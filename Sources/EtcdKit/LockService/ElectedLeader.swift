// SPDX-License-Identifier: Apache-2.0

/// The leadership that a candidate has won, as long as its key exists.
public struct ElectedLeader: Sendable, Hashable {
    /// The name of the election.
    public var election = Key(bytes: [])
    /// The key that stands for the leadership.
    public var key = Key(bytes: [])
    /// The revision in which the key was created, which identifies this leadership.
    public var createRevision: Revision = 0
    /// The lease on which the leadership depends.
    public var lease: Lease.ID {
        get { Lease.ID(rawValue: leaseID) }
        set { leaseID = newValue.rawValue }
    }
    var leaseID: Int64 = 0

    /// Makes an empty leadership.
    public init() {}
}
