// SPDX-License-Identifier: Apache-2.0

// The consequences of a failure of a call: whether it may have changed something, and whether it is made again.

extension GRPCFailure {
    /// The server may have acted on the call, or may still do so.
    var leavesEffectUnknown: Bool {
        switch effect {
        case .none: false
        case .unknown, .answeredByProxy: true
        case .answered: if case .status(let status) = cause { !status.saysUndone } else { true }
        }
    }

    /// The same call may be made again, and may then succeed.
    func permitsRepetition(isRead: Bool) -> Bool {
        let isUndone = effect == .none && code == .unavailable || effect == .answered && code.meansUndone
        return isUndone || isRead && code.isTransient
    }
}

extension GRPCStatus {
    /// A write that was answered so was not done.
    ///
    /// This is certain only for the errors that etcd returns before a write or instead of it. Anything else may come
    /// from a proxy, or from a later step.
    fileprivate var saysUndone: Bool {
        if let code = EtcdError.Code.texts[message] {
            // etcd says these, too, when it has given up on a write that may take effect later, or was not asked for it.
            return ![.timedOut, .leaderChanged, .serverStopped, .deadlineExceeded, .unavailable].contains(code)
                && !code.mayHaveTakenEffect
        }
        // gRPC's server says these before etcd hears of the call.
        return code == .unimplemented || isRefusalOfSize
    }

    /// gRPC's server has not read the request.
    var isRefusalOfSize: Bool {
        code == .resourceExhausted && message.hasPrefix("grpc: received message") && message.contains("larger than max")
    }
}

extension EtcdError.Code {
    /// The server refused the call before it did anything, for a reason that may not hold elsewhere or later.
    fileprivate var meansUndone: Bool {
        [.noLeader, .tooManyRequests, .notSupportedForLearner, .proposalDropped].contains(self)
    }

    /// A call that failed so changed nothing and may be made again, and a stream may be opened again, here or at
    /// another member.
    ///
    /// That includes `misconfigured`: a name server comes back, and files of certificates are replaced. So a watch or a
    /// lease that has begun goes on for as long as its user wants it.
    package var isTransient: Bool {
        meansUndone
            || [
                .unavailable, .misconfigured, .leaderChanged, .serverStopped, .timedOut, .unhealthy,
                .deadlineExceeded,
            ].contains(self)
    }

    /// The call may succeed with a new token: etcd returns exactly these errors if it does not know the caller.
    var meansTokenIsRejected: Bool { [.invalidToken, .staleToken, .authenticationRequired].contains(self) }

    /// For a while, the member should be used only if no other can be.
    var castsSuspicion: Bool {
        [.noLeader, .timedOut, .notSupportedForLearner, .serverStopped, .corrupt].contains(self)
    }

    /// Another member would fail as well, or not answer: only waiting helps.
    var concernsCluster: Bool { self == .proposalDropped }
}
