// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// A call with one request, ready to be sent.
    struct Request: Sendable {
        let call: EtcdClient.Call
        let isRead: Bool
        let needsLeader: Bool
        /// The server may be silent for as long as it wants.
        var mayWait = false
        /// Authentication itself goes without a token.
        var needsToken = true
        let frame: [UInt8]
        let deadline: MonotonicInstant
        let retry: RetryPolicy
        /// The only endpoint that the call may go to; nil if any will do.
        var endpoint: Endpoint?
        /// The endpoints to which the call goes only if there is no other.
        var avoided: [Endpoint] = []
        var metadata: CallMetadata
        let waitPolicy: Channel.WaitPolicy
    }

    /// The outcome of a call, after all attempts.
    struct Answer<Success: Sendable>: Sendable {
        let result: Result<Success, EtcdError>
        /// Where the last attempt went.
        let link: Link?
        let attempts: Int

        var endpoint: Endpoint? { link?.endpoint }

        var isSuccess: Bool { if case .success = result { true } else { false } }
    }

    /// Makes a unary call; the answer is the body, framed.
    nonisolated func perform(_ request: Request) async -> Answer<[UInt8]> {
        var attempts = CallAttempts(of: request, over: self)
        do throws(EtcdError) {
            while true {
                let route = if let route = attempts.routeAtOnce() { route } else { try await attempts.route() }
                let outcome = await GRPCUnaryCall.perform(
                    request.call.method,
                    request.frame,
                    metadata: metadata(
                        for: route.link.endpoint,
                        deadline: request.deadline,
                        requiresLeader: request.needsLeader,
                        token: route.token,
                        custom: request.metadata
                    ),
                    maximumMessageSize: configuration.maximumMessageSize,
                    patience: attempts.begin(at: route),
                    on: route.link.connection
                )
                switch outcome {
                case .success(let body): return attempts.answer(.success(body))
                case .failure(let failure): try await attempts.goOn(after: failure, at: route)
                }
            }
        } catch {
            return attempts.answer(.failure(error))
        }
    }
}

extension Channel.Answer<[UInt8]> {
    /// The message of a successful answer.
    func message<Message: ProtobufMessage>(limit: Int) throws(EtcdError) -> Message {
        let body = try result.get()
        do throws(LocalFailure) {
            return try Message(body: body, limit: limit)
        } catch {
            throw EtcdError(error.code, error.message)
        }
    }
}
