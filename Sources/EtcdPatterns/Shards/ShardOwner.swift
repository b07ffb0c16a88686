// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

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
