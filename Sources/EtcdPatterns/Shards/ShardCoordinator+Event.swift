// SPDX-License-Identifier: Apache-2.0

extension ShardCoordinator {
    /// An event of a member and its shards.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// Another process has the member's ID, or its own earlier session has not run out yet: it waits for that.
        case waitingForID
        /// The member has joined, and takes its shards.
        case joined
        /// The place among the members is lost, and all shards with it; the member joins again.
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
        /// An attempt has failed with this error, and is repeated.
        case failed(any Error)

        /// The event in one line.
        public var description: String {
            switch self {
            case .waitingForID: "waiting for the ID"
            case .joined: "joined"
            case .left(let loss): "left: \(loss)"
            case .owned(let shard): "owns \(shard.id)"
            case .handedOff(let shard): "handed off \(shard.id)"
            case .lost(let shard, let loss): "lost \(shard.id): \(loss)"
            case .ended(let shard, let error): "the body of \(shard.id) has ended\(error.map { ": \($0)" } ?? "")"
            case .overran(let shard): "the body of \(shard.id) still runs after its cancellation"
            case .failed(let error): "failed: \(error)"
            }
        }
    }
}
