// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// A unary call, ready to be sent.
    struct Request: Sendable {
        let call: EtcdClient.Call
        let isRead: Bool
        let needsLeader: Bool
        /// Silence is no stall.
        var mayWait = false
        /// Authentication itself goes without a token.
        var needsToken = true
        let frame: [UInt8]
        let deadline: ContinuousClock.Instant
        let retry: RetryPolicy
        /// The only endpoint that the call may go to; nil if any will do.
        var endpoint: Endpoint?
    }

    /// The end of a unary call: the body of the answer, framed, or the error.
    struct Answer: Sendable {
        var result: Result<[UInt8], EtcdError>
        /// Where the last attempt went.
        var endpoint: Endpoint?
        var attempts = 0
    }

    /// Makes a unary call, as often as is safe: again when the server has certainly not acted on it, and for a read also
    /// when its connection was lost or the server could not answer just then.
    nonisolated func perform(_ request: Request) async -> Answer {
        defer {
            if let endpoint = request.endpoint { EventLoop.execute { self.leave(endpoint) } }
        }
        var answer = Answer(result: .failure(EtcdError(.unavailable, "the call was not made")))
        var tried: [Endpoint] = []
        var rounds = 0
        var hasRenewedToken = false
        while true {
            let link: Link
            let token: AuthToken?
            switch await berth(
                at: request.endpoint,
                avoiding: tried,
                needsToken: request.needsToken,
                until: request.deadline
            ) {
            case .success(let berth): (link, token) = (berth.link, berth.token)
            case .failure(let error):
                answer.result = .failure(error)
                return answer
            }
            answer.endpoint = link.endpoint
            answer.attempts += 1
            let failure: GRPCFailure
            switch await attempt(request, number: answer.attempts, token, on: link) {
            case .success(let body):
                answer.result = .success(body)
                return answer
            case .failure(let reason): failure = reason
            }
            let error = EtcdError(failure, isRead: request.isRead, endpoint: link.endpoint)
            answer.result = .failure(error)
            if failure.effect == .answered, failure.code.castsSuspicion {
                EventLoop.execute { self.suspect(link.endpoint, error) }
            }
            let isRepeatable: Bool
            if failure.code.meansTokenIsRejected && failure.effect == .answered && request.needsToken {
                // Once for a call, and also where a certificate says who the client is: its cached rights may be old.
                isRepeatable = !hasRenewedToken && (context.tokens.canRenew || failure.code == .staleToken)
                hasRenewedToken = true
                await context.tokens.reject(token)
            } else {
                isRepeatable = failure.permitsRepetition(isRead: request.isRead)
                tried.append(link.endpoint)
            }
            guard isRepeatable, answer.attempts < request.retry.maximumAttempts else { return answer }
            if request.endpoint != nil || nextLink(avoiding: tried) == nil {
                // All have failed: again from the start, later and later. After the deadline it could only do harm.
                let pause = request.retry.backoff.delay(afterFailures: rounds)
                guard .now + pause < request.deadline else { return answer }
                tried = []
                rounds += 1
                // A cancelled pause is noticed by the next attempt.
                if pause > .zero { try? await Task.sleep(for: pause) }
            }
            context.report(.callRetried(request.call, link.endpoint, error))
        }
    }

    private nonisolated func attempt(
        _ request: Request,
        number: Int,
        _ token: AuthToken?,
        on link: Link
    ) async -> GRPCUnaryCall.Outcome {
        var patience: GRPCUnaryCall.Patience?
        // The only endpoint gets all the time there is.
        if hasAlternatives, request.endpoint == nil, !request.mayWait {
            let start = ContinuousClock.now
            let limit = request.retry.patience(ofAttempt: number)
            let wait = min(limit, (request.deadline - start) / 2)
            patience = GRPCUnaryCall.Patience(end: start + wait) { [weak self] in
                guard let self else { return false }
                // Before the limit, only an endpoint that says nothing at all is to blame.
                if wait == limit || link.connection.lastReceived < start {
                    suspect(link.endpoint, EtcdError(.unavailable, "no answer within \(wait) [\(link.endpoint)]"))
                }
                return request.isRead && request.retry.maximumAttempts > number
            }
        }
        return await GRPCUnaryCall.perform(
            request.call.method,
            request.frame,
            metadata: context.metadata(
                for: link.endpoint,
                deadline: request.deadline,
                requiresLeader: request.needsLeader,
                token: token
            ),
            maximumMessageSize: configuration.maximumMessageSize,
            patience: patience,
            on: link.connection
        )
    }

    /// A connection and the token, waited for where need be: to `endpoint`, or else rather not to one of `avoided`.
    nonisolated func berth(
        at endpoint: Endpoint?,
        avoiding avoided: [Endpoint] = [],
        needsToken: Bool = true,
        until deadline: ContinuousClock.Instant
    ) async -> Result<Berth, EtcdError> {
        var token: AuthToken?
        if needsToken {
            if let known = context.tokens.probableToken {
                token = known
            } else {
                switch await context.tokens.token(until: deadline, over: self) {
                case .success(let granted): token = granted
                case .failure(let error): return .failure(error)
                }
            }
        }
        if endpoint == nil, let link = nextLink(avoiding: avoided) { return .success(Berth(link: link, token: token)) }
        return await waitForLink(at: endpoint, until: deadline).map { Berth(link: $0, token: token) }
    }

    private func waitForLink(
        at endpoint: Endpoint?,
        until deadline: ContinuousClock.Instant
    ) async -> Result<Link, EtcdError> {
        let completion = Completion<Result<Link, EtcdError>>()
        let ticket = whenReady(at: endpoint, failsFast: true) { completion.complete($0) }
        let timer = EventLoop.schedule(at: deadline) { [weak self] in
            let error = self.map { channel in endpoint.map(channel.unavailability) ?? channel.unavailability }
            completion.complete(.failure(error ?? EtcdError(.clientClosed, "the client was closed")))
        }
        let result = await completion.wait {
            completion.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
        EventLoop.cancel(timer)
        if let ticket { forget(ticket) }
        if let endpoint, case .failure = result { leave(endpoint) }
        return result
    }

    /// The message in the body of an answer.
    nonisolated static func message<Message: ProtobufMessage>(
        in body: [UInt8],
        limit: Int
    ) throws(EtcdError) -> Message {
        let range: Range<Int>
        do throws(GRPCStatus) {
            range = try GRPCFraming.singleMessage(in: body, limit: limit)
        } catch {
            throw EtcdError(EtcdError.Code(error), error.message)
        }
        let decoded = body.withUnsafeBytes { bytes in
            ProtobufDecoder.decode(Message.self, from: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        switch decoded {
        case .success(let message): return message
        case .failure(let error):
            let status = GRPCStatus(error)
            throw EtcdError(EtcdError.Code(status), status.message, cause: error)
        }
    }
}

// MARK: - Authentication

extension Channel {
    /// Asks for a token.
    ///
    /// - Returns: The token; nil if the cluster has no authentication.
    func authenticate(_ name: String, _ password: String) async -> TokenStore.Answer {
        let message = Wire.AuthenticateRequest(name: name, password: password)
        let frame = GRPCFraming.frame { ProtobufEncoder.encode(message, into: &$0) }
        let request = Request(
            call: EtcdClient.Call(method: Wire.authenticate.path, requestSize: frame.count),
            isRead: true,
            needsLeader: true,
            needsToken: false,
            frame: frame,
            deadline: .now + configuration.callTimeout,
            retry: configuration.retry
        )
        do throws(EtcdError) {
            let body = try await perform(request).result.get()
            let response: Wire.AuthenticateResponse
            response = try Self.message(in: body, limit: configuration.maximumMessageSize)
            let token = AuthToken(response.token)
            guard token.isValid else { throw EtcdError(.protocolViolation, "the server granted an unusable token") }
            context.report(.tokenRefreshed)
            return .success(token)
        } catch {
            return error.code == .authenticationNotEnabled ? .success(nil) : .failure(error)
        }
    }
}
