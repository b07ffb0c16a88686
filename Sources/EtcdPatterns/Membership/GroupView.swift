// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// One who is in a group.
public struct GroupMember: Sendable, Hashable, Identifiable {
    /// Tells the members of a group apart.
    public let id: Key
    /// What the member says of itself, such as where it is.
    public let value: Value
    /// The revision in which it joined: higher than that of all who had its ID before.
    public let token: Revision
    /// The lease that the membership lives as long as.
    public let lease: Lease.ID
}

/// Who is in a group at one revision of the store.
///
/// Views of the same epoch are the same, whoever has them, and so are the owners of keys in them. Members see the same
/// epochs, but not at the same time: what must not be done by two is left to a lock, or to a ``ShardCoordinator``.
public struct GroupView: Sendable, Hashable {
    /// The revision of the store that the view is of.
    public let epoch: Revision
    /// The members, in the order of their IDs.
    public let members: [GroupMember]
    private let hashes: [UInt64]

    init(epoch: Revision, members: [GroupMember]) {
        self.epoch = epoch
        self.members = members.sorted { $0.id < $1.id }
        hashes = self.members.map { RendezvousHash.hash($0.id.bytes) }
    }

    /// The member with this ID.
    ///
    /// - Parameter id: The ID.
    /// - Returns: The member, or nil if it is not in the group.
    public subscript(id: Key) -> GroupMember? { members.first { $0.id == id } }

    /// The member that a key belongs to, by rendezvous hashing.
    ///
    /// All who have the same members agree. Of the keys, each member has about as many as any other; when one goes, only
    /// its keys move, and when one comes, keys move only to it.
    ///
    /// - Parameter key: Anything that is to belong to one member, such as the name of a customer.
    /// - Returns: The owner; nil if the group is empty.
    public func owner(of key: Key) -> GroupMember? {
        let hash = RendezvousHash.hash(key.bytes)
        var best: (weight: UInt64, index: Int)?
        for (index, member) in hashes.enumerated() {
            let weight = RendezvousHash.weight(member, hash)
            // Among equals, which are next to impossible, the first.
            if best.map({ weight > $0.weight }) ?? true { best = (weight, index) }
        }
        return best.map { members[$0.index] }
    }

    /// Whether more than half of `total` members are here.
    ///
    /// - Parameter total: How many members there should be.
    /// - Returns: True if more than half of them are.
    public func isMajority(of total: Int) -> Bool { members.count > total / 2 }
}

extension GroupView {
    /// The members whose keys, `<id>/<place in the queue for the ID>`, a snapshot has behind `prefix`.
    ///
    /// Keys that are no member's are passed over, also those without a lease, which say nothing of a process that lives. As
    /// long as such a key is the first in the queue for an ID, there is no such member.
    init(_ snapshot: MirrorView, behind prefix: Key) {
        self.init(epoch: snapshot.revision, entries: snapshot.entries(in: .prefix(prefix)), behind: prefix)
    }

    init(epoch: Revision, entries: some Sequence<KeyValue>, behind prefix: Key) {
        var firsts: [Key: KeyValue] = [:]
        for entry in entries {
            let parts = entry.key.bytes.dropFirst(prefix.bytes.count)
                .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
            guard parts.count == 2, let id = parts.first.map({ Key(bytes: Array($0)) }), !id.bytes.isEmpty else {
                continue
            }
            // Those behind the first wait for the ID.
            if let first = firsts[id], first.createRevision < entry.createRevision { continue }
            firsts[id] = entry
        }
        let members = firsts.compactMap { id, entry in
            entry.lease.map { GroupMember(id: id, value: entry.value, token: entry.createRevision, lease: $0) }
        }
        self.init(epoch: epoch, members: members)
    }
}
