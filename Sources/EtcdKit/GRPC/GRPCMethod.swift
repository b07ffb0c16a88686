// SPDX-License-Identifier: Apache-2.0

/// A method of a gRPC service.
struct GRPCMethod<Request: ProtobufMessage, Response: ProtobufMessage>: Sendable {
    let path: String
    /// The call changes nothing, so it may be repeated when its first outcome is unknown.
    private(set) var isRead: Bool
    /// The call goes through the leader, so a member without a leader should refuse it instead of waiting.
    private(set) var needsLeader: Bool
    /// The revision in the answer is never below one that was seen before the call.
    private(set) var ordersRevisions: Bool
    /// The server may wait for other clients before it answers, so its silence is no stall.
    let mayWait: Bool

    init(
        _ service: GRPCService,
        _ name: String,
        isRead: Bool = false,
        needsLeader: Bool = true,
        ordersRevisions: Bool = false,
        mayWait: Bool = false
    ) {
        path = "/\(service.rawValue)/\(name)"
        self.isRead = isRead
        self.needsLeader = needsLeader
        self.ordersRevisions = ordersRevisions
        self.mayWait = mayWait
    }

    /// The same method for a request that changes nothing.
    var reading: Self {
        var copy = self
        copy.isRead = true
        return copy
    }

    /// The same method for a request that any member answers from its own copy of the data.
    var serializable: Self {
        var copy = self
        copy.needsLeader = false
        copy.ordersRevisions = false
        return copy
    }
}

/// A service of etcd, by its name in paths.
enum GRPCService: String {
    case kv = "etcdserverpb.KV"
    case watch = "etcdserverpb.Watch"
    case lease = "etcdserverpb.Lease"
    case cluster = "etcdserverpb.Cluster"
    case maintenance = "etcdserverpb.Maintenance"
    case auth = "etcdserverpb.Auth"
    case lock = "v3lockpb.Lock"
    case election = "v3electionpb.Election"
}
