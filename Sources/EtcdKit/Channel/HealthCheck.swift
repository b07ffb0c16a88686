// SPDX-License-Identifier: Apache-2.0

/// Requests the status of a member once, to see whether it belongs to the cluster and can serve.
@EventLoop
enum HealthCheck {
    enum Finding {
        case well
        /// The member answers, but other members are to be preferred.
        case unfit(EtcdError)
        /// The connection is dead, or leads to another cluster.
        case lost(ConnectionError)
    }

    /// Asks, and calls `completion` once, unless the call is cancelled before.
    static func start(
        _ link: Channel.Link,
        _ channel: Channel,
        completion: @escaping @EventLoop (Finding) -> Void
    ) -> GRPCUnaryCall {
        let configuration = channel.configuration
        let metadata = channel.metadata(
            for: link.endpoint,
            deadline: .now + configuration.pingTimeout,
            token: channel.tokens.probableToken ?? nil
        )
        let call = GRPCUnaryCall(
            Wire.status.path,
            GRPCFraming.frame(of: Wire.EmptyRequest()),
            metadata: metadata,
            maximumMessageSize: configuration.maximumMessageSize,
            on: link.connection
        ) { outcome in
            switch outcome {
            case .success(let body):
                completion(finding(in: body, of: link.endpoint, channel))
            case .failure(let failure) where [.answered, .answeredByProxy].contains(failure.effect):
                completion(finding(in: failure, of: link.endpoint))
            case .failure(let failure):
                let text = "no answer to a question about its health: \(failure.message)"
                completion(.lost(ConnectionError(.lost, text)))
            }
        }
        call.start()
        return call
    }

    /// A member whose own error refuses the request because of a token or a permission is healthy.
    ///
    /// Any other error may come from a proxy that has lost its server, or from something that is no etcd.
    private static func finding(in failure: GRPCFailure, of endpoint: Endpoint) -> Finding {
        if case .status(let status) = failure.cause, let code = EtcdError.Code.texts[status.message] {
            if code == .permissionDenied || code.meansTokenIsRejected { return .well }
        }
        return .unfit(EtcdError(failure, at: endpoint))
    }

    private static func finding(in body: [UInt8], of endpoint: Endpoint, _ channel: Channel) -> Finding {
        let status: MemberStatus
        do throws(LocalFailure) {
            status = try MemberStatus(body: body, limit: channel.configuration.maximumMessageSize)
        } catch {
            return .lost(ConnectionError(.protocolViolation, error.message))
        }
        if let objection = channel.identity.objection(to: status.header.clusterID, of: endpoint) {
            return .lost(ConnectionError(.refused, objection.message))
        }
        if status.isLearner { return .unfit(EtcdError(.notSupportedForLearner, "the member is a learner")) }
        if status.leader == nil { return .unfit(EtcdError(.noLeader, "the member has no leader")) }
        return .well
    }
}
