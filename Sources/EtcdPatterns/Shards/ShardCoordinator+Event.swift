// SPDX-License-Identifier: Apache-2.0

extension ShardCoordinator {
    /// What happens to a member and its shards.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// Another has the member's ID, or its own session of before has not run out yet: it waits for that.
        case waitingForID
        /// The member has joined, and takes its shards.
        case joined
        /// The place among the members is lost, and all shards with it; the member comes again.
        case left(CoordinationLoss)
        /// A shard is owned now, and its body starts.
        case owned(Shard)
        /// The body has ended because the shard goes to another member, or this one stops.
        case handedOff(Shard)
        /// The shard was lost, and the body has ended since; ``CoordinationLoss/overrun`` says how long that took.
        case lost(Shard, CoordinationLoss)
        /// The body has returned, or thrown an error: the shard is given up, to be taken again after a pause.
        case ended(Shard, (any Error)?)
        /// The body still runs although it was cancelled the drain time ago: the shard is given up nevertheless.
        case overran(Shard)
        /// Something could not be done, and is tried again.
        case failed(any Error)
    }
}
