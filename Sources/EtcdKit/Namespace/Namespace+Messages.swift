// SPDX-License-Identifier: Apache-2.0

/// A request of etcd, which says where its keys are.
///
/// Only such a message can be sent, so no call can forget its client's namespace.
protocol Request: ProtobufMessage {
    /// Puts the prefix before all keys.
    mutating func enter(_ namespace: Namespace) throws(EtcdError)
}

/// A request that names no keys, or those of the whole cluster.
protocol KeylessRequest: Request {}

extension KeylessRequest {
    func enter(_ namespace: Namespace) {}
}

/// An answer without keys.
protocol KeylessResponse: Response {}

extension KeylessResponse {
    func leave(_ namespace: Namespace) {}
}

// MARK: - Messages without keys

extension Wire.HeaderResponse: KeylessResponse {}
extension Wire.EmptyRequest: KeylessRequest {}
extension Wire.CompactionRequest: KeylessRequest {}
extension Wire.LeaseGrantRequest: KeylessRequest {}
extension Wire.LeaseGrantResponse: KeylessResponse {}
extension Wire.LeaseRequest: KeylessRequest {}
extension Wire.LeaseKeepAliveResponse: KeylessResponse {}
extension Wire.LeaseTimeToLiveRequest: KeylessRequest {}
extension Wire.LeaseLeasesResponse: KeylessResponse {}
extension Wire.AuthenticateRequest: KeylessRequest {}
extension Wire.AuthenticateResponse: KeylessResponse {}
extension Wire.MemberListRequest: KeylessRequest {}
extension Wire.MemberAddRequest: KeylessRequest {}
extension Wire.MemberAddResponse: KeylessResponse {}
extension Wire.MemberUpdateRequest: KeylessRequest {}
extension Wire.MemberRequest: KeylessRequest {}
extension Wire.MembersResponse: KeylessResponse {}
extension MemberStatus: KeylessResponse {}
extension Wire.AlarmRequest: KeylessRequest {}
extension Wire.AlarmResponse: KeylessResponse {}
extension Wire.HashResponse: KeylessResponse {}
extension Wire.HashKVRequest: KeylessRequest {}
extension KeyValueHash: KeylessResponse {}
extension Wire.SnapshotResponse: KeylessResponse {}
extension Wire.MoveLeaderRequest: KeylessRequest {}
extension Wire.DowngradeRequest: KeylessRequest {}
extension Wire.DowngradeResponse: KeylessResponse {}
extension Wire.AuthStatusResponse: KeylessResponse {}
extension Wire.NamesResponse: KeylessResponse {}
extension Wire.NameRequest: KeylessRequest {}
extension Wire.UserAddRequest: KeylessRequest {}
extension Wire.UserRoleRequest: KeylessRequest {}
extension Wire.RoleGetResponse: KeylessResponse {}
extension Wire.RoleGrantPermissionRequest: KeylessRequest {}
extension Wire.RoleRevokePermissionRequest: KeylessRequest {}

// MARK: - Requests

extension Wire.RangeRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
}

extension Wire.PutRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key) }
}

extension Wire.DeleteRangeRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
}

extension Wire.Compare {
    fileprivate mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key, &rangeEnd) }
}

extension Wire.TxnRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) {
        for index in compare.indices { try compare[index].enter(namespace) }
        for index in success.indices { try success[index].enter(namespace) }
        for index in failure.indices { try failure[index].enter(namespace) }
    }
}

extension Wire.RequestOp {
    fileprivate mutating func enter(_ namespace: Namespace) throws(EtcdError) {
        try range?.enter(namespace)
        try put?.enter(namespace)
        try deleteRange?.enter(namespace)
        try transaction?.enter(namespace)
    }
}

extension Wire.LockRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&name) }
}

extension Wire.UnlockRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&key) }
}

extension Wire.CampaignRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&name) }
}

extension Wire.LeaderRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try namespace.enter(&name) }
}

extension Wire.ProclaimRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try leader.enter(namespace) }
}

extension Wire.ResignRequest: Request {
    mutating func enter(_ namespace: Namespace) throws(EtcdError) { try leader.enter(namespace) }
}

extension ElectedLeader {
    fileprivate mutating func enter(_ namespace: Namespace) throws(EtcdError) {
        try namespace.enter(&election.bytes)
        try namespace.enter(&key.bytes)
    }

    fileprivate mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        try namespace.leave(&election.bytes)
        try namespace.leave(&key.bytes)
    }
}

// MARK: - Answers

extension Wire.RangeStreamResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try part.leave(namespace) }
}

extension Wire.LockResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&key) }
}

extension Wire.CampaignResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try leader.leave(namespace) }
}

extension Wire.LeaderResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&entry) }
}

extension RangeResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&entries) }
}

extension PutResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&previous) }
}

extension DeleteResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) { try namespace.leave(&previous) }
}

extension TransactionResponse {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        for index in responses.indices { try responses[index].leave(namespace) }
    }
}

extension Wire.ResponseOp {
    fileprivate mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        try range?.leave(namespace)
        try put?.leave(namespace)
        try deleteRange?.leave(namespace)
        try transaction?.leave(namespace)
    }
}

extension Wire.LeaseTimeToLiveResponse {
    /// Leaves out the keys outside the namespace, which a lease may have as well.
    mutating func leave(_ namespace: Namespace) { keys = keys.compactMap(namespace.inner) }
}

// MARK: - Watches

extension KeyRange {
    /// The range of the whole store that this one stands for; an empty range stays as it is.
    func entering(_ namespace: Namespace?) -> KeyRange {
        guard let namespace, !isEmpty else { return self }
        var (start, end) = (start, end)
        // Only an empty key cannot enter, and that was excluded.
        try? namespace.enter(&start, &end)
        return KeyRange(start: start, end: end)
    }
}

extension WatchEvent {
    mutating func leave(_ namespace: Namespace) throws(EtcdError) {
        try namespace.leave(&entry)
        try namespace.leave(&previous)
    }
}
