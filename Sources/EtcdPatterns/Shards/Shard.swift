// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// A shard that this member owns, or has owned.
///
/// The token is higher than those of all earlier owners of this shard.
public struct Shard: FencedGrant, Identifiable {
    let ownership: ShardOwnership

    /// The name of the shard.
    public var id: String { "\(ownership.name)" }

    /// The library's own view of the grant.
    public var basis: GrantBasis { GrantBasis(ownership) }
}

/// One ownership of one shard.
final class ShardOwnership: Fence {
    let name: Key
    let key: Key
    let createRevision: Revision
    let lifetime: Lifetime
    let session: Session

    init(of name: Key, _ entry: KeyValue, on place: Hold) {
        self.name = name
        key = entry.key
        createRevision = entry.createRevision
        lifetime = Lifetime(within: [place.lifetime])
        session = place.session
    }

    var isCurrent: Compare { Compare.Target.createRevision(key) == createRevision }
    var reserved: [KeyRange] { [.key(key)] }

    func isMet(by entry: KeyValue?) -> Bool { entry?.createRevision == createRevision }

    /// Whether both are the same ownership of the same shard.
    func isSame(as other: ShardOwnership) -> Bool {
        name == other.name && createRevision == other.createRevision && session === other.session
    }
}

/// The owner of a shard, as the store has it.
public struct ShardOwner: Sendable, Hashable, CustomStringConvertible {
    /// The name of the shard.
    public let shard: String
    /// The ID of the member that owns it; nil if none does.
    public let member: String?
    /// The revision at which the ownership began; nil if no member owns the shard.
    public let fencingToken: Revision?

    /// Makes an owner with these properties, for tests.
    public init(shard: String, member: String?, fencingToken: Revision?) {
        self.shard = shard
        self.member = member
        self.fencingToken = fencingToken
    }

    /// The shard, the member and the token in one line.
    public var description: String {
        guard let member, let fencingToken else { return "\(shard): no owner" }
        return "\(shard): \(member), token \(fencingToken)"
    }
}
