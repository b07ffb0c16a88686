// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// Makes an error of a stream or a call that has changed nothing.
    init(_ failure: GRPCFailure, at endpoint: Endpoint) {
        self.init(failure.code, "\(failure.message) [\(endpoint)]")
    }

    /// Makes the error of a stream of `subject` that has ended, and that is opened again if it may work.
    ///
    /// A proxy's answer in HTTP means no more than that the way to etcd was not open.
    init(endOfStreamOf subject: String, _ failure: GRPCFailure?, at endpoint: Endpoint) {
        if let failure, failure.effect != .answeredByProxy {
            self.init(failure, at: endpoint)
        } else {
            let reason = failure?.message ?? "the server ended the stream of \(subject)"
            self.init(.unavailable, "\(reason) [\(endpoint)]")
        }
    }

    /// Makes an error of the reason that etcd gives for ending a watch.
    init(cancelReason: String) {
        // Some reasons carry gRPC's rendering of a status before etcd's text.
        let text = cancelReason.split(separator: " desc = ", maxSplits: 1).last.map(String.init) ?? cancelReason
        self.init(Code(GRPCStatus(.unknown, text)), text.printable)
    }

    init(_ error: ConnectionError, at endpoint: Endpoint) {
        self.init(error.kind.isMisconfiguration ? .misconfigured : .unavailable, "\(error.message) [\(endpoint)]")
    }

    /// Makes an error of an attempt at a call.
    ///
    /// Of a call that only reads, an unknown effect is none.
    init(_ failure: GRPCFailure, of request: Channel.Request, at endpoint: Endpoint) {
        var error = EtcdError(failure, at: endpoint)
        if error.code == .requestTooLarge {
            let text = Self.complaint(aboutSizeOf: request.call, failure.message)
            error = EtcdError(.requestTooLarge, "\(text) [\(endpoint)]")
        }
        self = failure.leavesEffectUnknown && !request.isRead ? EtcdError(inDoubtAfter: error) : error
    }

    /// Makes the error of a write that was sent and of whose outcome `error` says nothing certain.
    init(inDoubtAfter error: EtcdError) {
        let doubt = EtcdError(.ambiguous, "the write may have happened or not", cause: error)
        // Some codes say that by themselves.
        self = error.code.mayHaveTakenEffect ? error : doubt
    }

    /// The sizes of the request and of the limit: gRPC's text has only numbers, and etcd's has none.
    private static func complaint(aboutSizeOf call: EtcdClient.Call, _ text: String) -> String {
        let limit = text.split(separator: " vs. ").last.map { $0.prefix { $0.isNumber } }.flatMap { Int($0) }
        let allowance = limit.map { "the \($0) that the server takes" } ?? "the server takes, 1572864 by default"
        return "\(call.method) sends \(call.requestSize) bytes, more than \(allowance) (--max-request-bytes): \(text)"
    }
}

extension EtcdError.Code {
    /// The code for what a server answered.
    ///
    /// etcd's text says more than gRPC's code, so it goes first.
    init(_ status: GRPCStatus) {
        if let code = Self.texts[status.message] {
            self = code
            return
        }
        self =
            switch status.code {
            case .cancelled: .cancelled
            case .deadlineExceeded: .deadlineExceeded
            case .unavailable: .unavailable
            case .unimplemented: .unimplemented
            case .permissionDenied: .permissionDenied
            case .unauthenticated: .unauthenticated
            case .resourceExhausted:
                status.isRefusalOfSize ? .requestTooLarge : .server
            case .internal: .protocolViolation
            default: .server
            }
    }

    /// etcd's error texts, as in `rpctypes`, and those that it sends without having them there.
    static let texts: [String: Self] = [
        "etcdserver: key is not provided": .emptyKey,
        "etcdserver: key not found": .keyNotFound,
        "etcdserver: value is provided": .invalidArgument,
        "etcdserver: lease is provided": .invalidArgument,
        "etcdserver: too many operations in txn request": .tooManyOperations,
        "etcdserver: duplicate key given in txn request": .duplicateKey,
        "etcdserver: invalid client api version": .invalidArgument,
        "etcdserver: invalid sort option": .invalidArgument,
        "etcdserver: mvcc: required revision has been compacted": .compacted,
        "etcdserver: mvcc: required revision is a future revision": .futureRevision,
        "etcdserver: mvcc: database space exceeded": .noSpace,
        "etcdserver: requested lease not found": .leaseNotFound,
        "etcdserver: lease already exists": .leaseExists,
        "etcdserver: too large lease TTL": .leaseTTLTooLarge,
        "etcdserver: watch canceled": .unavailable,
        "etcdserver: member ID already exist": .memberExists,
        "etcdserver: Peer URLs already exists": .peerURLExists,
        "etcdserver: re-configuration failed due to not enough started members": .notEnoughStartedMembers,
        "etcdserver: given member URLs are invalid": .invalidMemberURLs,
        "etcdserver: member not found": .memberNotFound,
        "etcdserver: can only promote a learner member": .memberNotLearner,
        "etcdserver: can only promote a learner member which is in sync with leader": .learnerNotReady,
        "etcdserver: too many learner members in cluster": .tooManyLearners,
        "etcdserver: cluster ID mismatch": .clusterMismatch,
        "etcdserver: request is too large": .requestTooLarge,
        "etcdserver: too many requests": .tooManyRequests,
        "etcdserver: root user does not exist": .rootUserNotFound,
        "etcdserver: root user does not have root role": .rootRoleNotGranted,
        "etcdserver: user name already exists": .userExists,
        "etcdserver: user name is empty": .authenticationRequired,
        "etcdserver: user name not found": .userNotFound,
        "etcdserver: role name already exists": .roleExists,
        "etcdserver: role name not found": .roleNotFound,
        "etcdserver: role name is empty": .invalidArgument,
        "etcdserver: authentication failed, invalid user ID or password": .authenticationFailed,
        "etcdserver: permission not given": .invalidArgument,
        "etcdserver: permission denied": .permissionDenied,
        "etcdserver: role is not granted to the user": .roleNotGranted,
        "etcdserver: permission is not granted to the role": .permissionNotGranted,
        "etcdserver: authentication is not enabled": .authenticationNotEnabled,
        "etcdserver: invalid auth token": .invalidToken,
        "etcdserver: invalid auth management": .invalidAuthManagement,
        "etcdserver: revision of auth store is old": .staleToken,
        "auth: revision in header is old": .staleToken,
        "etcdserver: no leader": .noLeader,
        "etcdserver: not leader": .notLeader,
        "etcdserver: leader changed": .leaderChanged,
        "etcdserver: not capable": .notCapable,
        "etcdserver: server stopped": .serverStopped,
        "etcdserver: request timed out": .timedOut,
        "etcdserver: request timed out, possibly due to previous leader failure": .timedOut,
        "etcdserver: request timed out, possibly due to connection lost": .timedOut,
        "etcdserver: request timed out, waiting for the applied index took too long": .timedOut,
        "etcdserver: request timed out, leader transfer took too long": .timedOut,
        "etcdserver: unhealthy cluster": .unhealthy,
        "etcdserver: corrupt cluster": .corrupt,
        "etcdserver: rpc not supported for learner": .notSupportedForLearner,
        "etcdserver: bad leader transferee": .badLeaderTransferee,
        "etcdserver: wrong downgrade target version format": .invalidDowngradeVersion,
        "etcdserver: invalid downgrade target version": .invalidDowngradeVersion,
        "etcdserver: cluster version not found during downgrade": .clusterVersionUnavailable,
        "etcdserver: cluster has a downgrade job in progress": .downgradeInProgress,
        "etcdserver: no inflight downgrade job": .noDowngradeInProgress,
        "etcdserver: request canceled": .timedOut,
        "etcdserver: request cancelled": .timedOut,
        "etcdserver: context deadline exceeded": .deadlineExceeded,
        "mvcc: watcher range is empty": .invalidArgument,
        "not a primary lessor": .leaderChanged,
        "raft proposal dropped": .proposalDropped,
        "raft: stopped": .serverStopped,
        "context deadline exceeded": .deadlineExceeded,
        "auth: authentication failed, password was given for no password user": .authenticationFailed,
        "mutex: session is expired": .leaseLost,
        "election: not leader": .leadershipLost,
        "auth: permission denied": .permissionDenied,
        "auth: invalid auth token": .invalidToken,
        "auth: user name is empty": .authenticationRequired,
    ]
}
