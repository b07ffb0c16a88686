// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// Makes an error of a call that failed.
    ///
    /// Of a call that only reads, an unknown effect is none.
    init(_ failure: GRPCFailure, isRead: Bool, endpoint: Endpoint) {
        // A call that the server cancelled was not cancelled by the task that made it.
        let isServers = failure.effect == .answered && failure.status.code == .cancelled
        let code = isServers ? .unavailable : Code(failure.status)
        let error = EtcdError(code, "\(failure.status.message) [\(endpoint)]")
        let isUnknown = failure.effect == .unknown || failure.effect == .answered && code.leavesEffectUnknown
        if isUnknown && !isRead && code != .cancelled {
            self.init(.ambiguous, "the write may have happened or not", cause: error)
        } else {
            self = error
        }
    }

    /// Makes an error of the reason that etcd gives for ending a watch.
    init(cancelReason: String) {
        // Some reasons carry gRPC's rendering of a status before etcd's text.
        let text = cancelReason.split(separator: " desc = ", maxSplits: 1).last.map(String.init) ?? cancelReason
        self.init(Code(GRPCStatus(.unknown, text)), text)
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

    /// The server has given up on a request that may take effect later.
    fileprivate var leavesEffectUnknown: Bool {
        [.timedOut, .leaderChanged, .serverStopped, .deadlineExceeded, .unavailable].contains(self)
    }

    /// etcd's error texts.
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
        "etcdserver: request is too large": .requestTooLarge,
        "etcdserver: too many requests": .tooManyRequests,
        "etcdserver: permission denied": .permissionDenied,
        "etcdserver: user name is empty": .unauthenticated,
        "etcdserver: invalid auth token": .unauthenticated,
        "etcdserver: revision of auth store is old": .unauthenticated,
        "etcdserver: no leader": .noLeader,
        "etcdserver: not leader": .notLeader,
        "etcdserver: leader changed": .leaderChanged,
        "etcdserver: not capable": .notCapable,
        "etcdserver: server stopped": .serverStopped,
        "etcdserver: request timed out": .timedOut,
        "etcdserver: request timed out, possibly due to previous leader failure": .timedOut,
        "etcdserver: request timed out, possibly due to connection lost": .timedOut,
        "etcdserver: request timed out, waiting for the applied index took too long": .timedOut,
        "etcdserver: unhealthy cluster": .unhealthy,
        "etcdserver: corrupt cluster": .corrupt,
        "etcdserver: rpc not supported for learner": .notSupportedForLearner,
        "etcdserver: request canceled": .timedOut,
        "etcdserver: context deadline exceeded": .deadlineExceeded,
        "mvcc: watcher range is empty": .invalidArgument,
    ]
}
