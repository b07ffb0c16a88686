// SPDX-License-Identifier: Apache-2.0

/// A hash of the keys and values of a member, with their history up to a revision.
///
/// Members of one cluster whose hashes are of the same ``hashRevision`` and ``compactRevision`` must agree.
public struct KeyValueHash: Sendable, Hashable {
    /// The member that answered, and the store's revision.
    public var header = ResponseHeader()
    /// The hash.
    public var hash: UInt32 = 0
    /// The last compacted revision, from which on the history counts.
    public var compactRevision: Revision = 0
    /// The newest revision that counts; 0 before etcd 3.6, where it is the one asked for.
    public var hashRevision: Revision = 0

    /// Makes a hash of nothing.
    public init() {}
}
