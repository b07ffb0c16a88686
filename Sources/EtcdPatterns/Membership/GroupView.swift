// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A member of a group.
public struct GroupMember: Sendable, Hashable, Identifiable, CustomStringConvertible {
    /// The ID of the member.
    public let id: String
    /// The member's description of itself, such as its address.
    public let value: Value
    /// The revision at which it joined: higher than the tokens of all earlier members with this ID.
    public let token: Revision
    /// The lease of the membership.
    public let lease: Lease.ID

    /// Makes a member with these properties, for tests.
    public init(id: String, value: Value, token: Revision, lease: Lease.ID) {
        self.id = id
        self.value = value
        self.token = token
        self.lease = lease
    }

    /// The ID, the value and the token in one line.
    public var description: String { "\(id) (\"\(value)\"), token \(token)" }
}

/// The members of a group at one revision of the store.
///
/// Views of the same epoch are the same in all processes, and so are the owners of keys in them. Members see the same
/// epochs, but not at the same time: use a lock, or a `ShardCoordinator`, for work that must not run twice at once.
public struct GroupView: Sendable, Hashable, CustomStringConvertible {
    /// The revision of the store.
    public let epoch: Revision
    /// The members, in the order of their IDs.
    public let members: [GroupMember]
    private let hashes: [UInt64]

    /// Makes a view with these properties, for tests.
    public init(epoch: Revision, members: [GroupMember]) {
        self.epoch = epoch
        self.members = members.sorted { Key($0.id) < Key($1.id) }
        hashes = self.members.map { RendezvousHash.hash(Array($0.id.utf8)) }
    }

    /// The member with this ID.
    ///
    /// - Parameter id: The ID.
    /// - Returns: The member, or nil if it is not in the group.
    public subscript(id: String) -> GroupMember? { members.first { $0.id == id } }

    /// The member that owns a key, by rendezvous hashing.
    ///
    /// The answer depends only on the IDs of the members. Each member owns about the same number of keys. When a member goes,
    /// only its keys move, and when one comes, keys move only to it.
    ///
    /// - Parameter key: Anything that one member should own, such as the name of a customer.
    /// - Returns: The owner; nil if the group is empty.
    public func owner(of key: Key) -> GroupMember? {
        let hash = RendezvousHash.hash(key.bytes)
        // Of equal weights, which are very unlikely, the first.
        return hashes.indices.max { left, right in
            RendezvousHash.weight(hashes[left], hash) < RendezvousHash.weight(hashes[right], hash)
        }.map { members[$0] }
    }

    /// Whether more than half of `total` members are in the view.
    ///
    /// - Parameter total: The full number of members.
    /// - Returns: True if more than half of them are.
    public func isMajority(of total: Int) -> Bool { members.count > total / 2 }

    /// The epoch and the IDs in one line.
    public var description: String { "\(members.map(\.id).joined(separator: ", ")) at revision \(epoch)" }
}

extension GroupView {
    /// The members whose keys, `<id>/<place in the queue for the ID>`, follow `prefix` in the entries of a revision.
    ///
    /// Keys of other forms are skipped, also those without a lease, which do not represent a living process. As long as
    /// such a key is the first in the queue for an ID, there is no such member.
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
        let members = firsts.compactMap { key, entry -> GroupMember? in
            guard let id = key.string, let lease = entry.lease else { return nil }
            return GroupMember(id: id, value: entry.value, token: entry.createRevision, lease: lease)
        }
        self.init(epoch: epoch, members: members)
    }
}
