// SPDX-License-Identifier: Apache-2.0

import EtcdKit

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
    var reserved: [KeyRange] { [] }

    func isMet(by entry: KeyValue?) -> Bool { entry?.createRevision == createRevision }

    /// Whether both are the same ownership of the same shard.
    func isSame(as other: ShardOwnership) -> Bool {
        name == other.name && createRevision == other.createRevision && session === other.session
    }
}
