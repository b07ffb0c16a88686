// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// Makes an error of a call that failed.
    ///
    /// Of a call that only reads, an unknown effect is none.
    init(_ failure: GRPCFailure, isRead: Bool, endpoint: Endpoint) {
        let code = failure.code
        let error = EtcdError(code, "\(failure.status.message) [\(endpoint)]")
        if failure.leavesEffectUnknown && !isRead && code != .cancelled {
            self.init(.ambiguous, "the write may have happened or not", cause: error)
        } else {
            self = error
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
}

extension GRPCFailure {
    /// What kind of error the failure is.
    var code: EtcdError.Code {
        // A call that the server cancelled was not cancelled by the task that made it.
        effect == .answered && status.code == .cancelled ? .unavailable : EtcdError.Code(status)
    }

    /// The server may have acted on the call, or may still do so.
    fileprivate var leavesEffectUnknown: Bool {
        switch effect {
        case .none: false
        case .unknown: true
        case .answered:
            // The server has given up on a request that may take effect later.
            [.timedOut, .leaderChanged, .serverStopped, .deadlineExceeded, .unavailable].contains(code)
        }
    }

    /// The same call may be made again, and may then succeed.
    func permitsRepetition(isRead: Bool) -> Bool {
        let isUndone = effect == .none && status.code == .unavailable || effect == .answered && code.meansUndone
        return isUndone || isRead && code.isTransient
    }
}

extension EtcdError.Code {
    /// The code for a text of etcd's; nil if it is another text.
    init?(etcdText text: String) {
        guard let code = Self.texts[text] else { return nil }
        self = code
    }

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
                if status.message.contains("maximumMessageSize") {
                    .responseTooLarge
                } else if status.message.contains("larger than max") {
                    .requestTooLarge
                } else {
                    .server
                }
            case .internal: .protocolViolation
            default: .server
            }
    }

    /// The server has refused the call before it did anything, for a reason that another member or moment may not have.
    fileprivate var meansUndone: Bool {
        [.noLeader, .tooManyRequests, .notSupportedForLearner].contains(self)
    }

    /// A call that failed so changed nothing and may be made again, and a stream may be opened again, here or at
    /// another member.
    ///
    /// That goes for what is set up wrongly, too: a name server comes back, and files of certificates are replaced. So
    /// what has begun goes on for as long as its user wants it.
    package var isTransient: Bool {
        meansUndone
            || [
                .unavailable, .misconfigured, .leaderChanged, .serverStopped, .timedOut, .unhealthy,
                .deadlineExceeded,
            ].contains(self)
    }

    /// The call may succeed with a new token: exactly what etcd answers when it does not know the caller.
    var meansTokenIsRejected: Bool { [.invalidToken, .staleToken, .authenticationRequired].contains(self) }

    /// The member should be asked for a while only if no other can be.
    var castsSuspicion: Bool {
        [.noLeader, .timedOut, .notSupportedForLearner, .serverStopped, .corrupt].contains(self)
    }

    /// etcd's error texts, as in `rpctypes`, and those that it sends without having them there.
    private static let texts: [String: Self] = [
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
        "etcdserver: context deadline exceeded": .deadlineExceeded,
        "mvcc: watcher range is empty": .invalidArgument,
        "not a primary lessor": .leaderChanged,
        "context deadline exceeded": .deadlineExceeded,
        "auth: authentication failed, password was given for no password user": .authenticationFailed,
        "mutex: session is expired": .leaseLost,
        "election: not leader": .leadershipLost,
        "auth: permission denied": .permissionDenied,
        "auth: invalid auth token": .invalidToken,
        "auth: user name is empty": .authenticationRequired,
    ]
}
