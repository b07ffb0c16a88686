// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// A call with one request, ready to be sent.
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
        /// Where the call goes only if there is nowhere else.
        var avoided: [Endpoint] = []
    }

    /// One attempt at a call: where it goes, and how long it may be without an answer.
    struct Attempt {
        let berth: Berth
        let patience: GRPCUnaryCall.Patience?
    }

    /// The outcome of a call, after all attempts.
    struct Answer<Success: Sendable>: Sendable {
        let result: Result<Success, EtcdError>
        /// Where the last attempt went.
        let endpoint: Endpoint?
        let attempts: Int
    }

    /// Why an attempt failed, and what comes after it.
    private struct Failure: Error {
        let error: EtcdError
        var next = AttemptLoop.Next.nothing
    }

    /// Makes a unary call; the answer is the body, framed.
    nonisolated func perform(_ request: Request) async -> Answer<[UInt8]> {
        await perform(request) { attempt in
            let link = attempt.berth.link
            return await GRPCUnaryCall.perform(
                request.call.method,
                request.frame,
                metadata: context.metadata(
                    for: link.endpoint,
                    deadline: request.deadline,
                    requiresLeader: request.needsLeader,
                    token: attempt.berth.token
                ),
                maximumMessageSize: configuration.maximumMessageSize,
                patience: attempt.patience,
                on: link.connection
            )
        }
    }

    /// Makes a call as often as is safe: again when the server has certainly not acted on it, and for a read also when
    /// its connection was lost or the server could not answer just then.
    nonisolated func perform<Success: Sendable>(
        _ request: Request,
        _ attempt: (Attempt) async -> Result<Success, GRPCFailure>
    ) async -> Answer<Success> {
        defer {
            if let endpoint = request.endpoint { EventLoop.execute { self.leave(endpoint) } }
        }
        let loop = AttemptLoop(
            request.retry,
            maximumAttempts: request.retry.maximumAttempts,
            until: request.deadline
        )
        var endpoint: Endpoint?
        var attempts = 0
        var lastFailure: (endpoint: Endpoint, error: EtcdError)?
        var tried = request.avoided
        var haveAllFailed = false
        var hasRenewedToken = false
        let result: Result<Success, EtcdError>
        do throws(Failure) {
            let success = try await loop.run { (number) throws(Failure) -> Success in
                let berth = try await self.berth(for: request, avoiding: tried)
                let place = berth.link.endpoint
                if let lastFailure {
                    context.report(.callRetried(request.call, lastFailure.endpoint, lastFailure.error))
                }
                (endpoint, attempts) = (place, number)
                let patience = patience(with: request, attempt: number, on: berth.link)
                let failure: GRPCFailure
                switch await attempt(Attempt(berth: berth, patience: patience)) {
                case .success(let success): return success
                case .failure(let reason): failure = reason
                }
                if let lastFailure, failure.code == .deadlineExceeded, failure.effect == .none {
                    // It was not made again for want of time, and why that was needed says more.
                    throw Failure(error: lastFailure.error)
                }
                let error = EtcdError(failure, of: request, at: place)
                lastFailure = (place, error)
                if failure.effect == .answered, failure.code.castsSuspicion {
                    EventLoop.execute { self.suspect(place, error) }
                }
                if failure.code.meansTokenIsRejected && failure.effect == .answered && request.needsToken {
                    // Once for a call, and also where a certificate says who the client is: its cached rights may be old.
                    let mayRenew = !hasRenewedToken && (context.tokens.canRenew || failure.code == .staleToken)
                    hasRenewedToken = true
                    await context.tokens.reject(berth.token)
                    throw Failure(error: error, next: mayRenew ? .atOnce : .nothing)
                }
                guard failure.permitsRepetition(isRead: request.isRead) else { throw Failure(error: error) }
                tried.append(place)
                let isElsewhere = request.endpoint == nil && hasLink(avoiding: tried)
                if isElsewhere, !failure.code.concernsCluster { throw Failure(error: error, next: .atOnce) }
                // All have failed: again from the start, later and later.
                let isFirst = !haveAllFailed && !failure.code.concernsCluster
                haveAllFailed = true
                tried = request.avoided
                throw Failure(error: error, next: isFirst ? .atOnce : .afterPause)
            } after: {
                $0.next
            }
            result = .success(success)
        } catch {
            result = .failure(error.error)
        }
        return Answer(result: result, endpoint: endpoint, attempts: attempts)
    }

    /// How long an attempt may be without an answer; nil for as long as the call.
    private nonisolated func patience(
        with request: Request,
        attempt number: Int,
        on link: Link
    ) -> GRPCUnaryCall.Patience? {
        // The only endpoint gets all the time there is.
        guard hasAlternatives, request.endpoint == nil, !request.mayWait else { return nil }
        let start = ContinuousClock.now
        let limit = request.retry.patience(ofAttempt: number)
        let wait = min(limit, (request.deadline - start) / 2)
        return GRPCUnaryCall.Patience(end: start + wait) { [weak self] in
            guard let self else { return false }
            // Before the limit, only an endpoint that says nothing at all is to blame.
            if wait == limit || link.connection.lastReceived < start {
                suspect(link.endpoint, EtcdError(.unavailable, "no answer within \(wait) [\(link.endpoint)]"))
            }
            return request.isRead && request.retry.maximumAttempts > number
        }
    }

    /// A connection and the token for an attempt, waited for where need be.
    private nonisolated func berth(
        for request: Request,
        avoiding avoided: [Endpoint]
    ) async throws(Failure) -> Berth {
        var token: AuthToken?
        if request.needsToken {
            if let known = context.tokens.probableToken {
                token = known
            } else {
                switch await context.tokens.token(until: request.deadline, over: self) {
                case .success(let granted): token = granted
                case .failure(let error): throw Failure(error: error)
                }
            }
        }
        if request.endpoint == nil, let link = nextLink(avoiding: avoided) { return Berth(link: link, token: token) }
        switch await waitForLink(at: request.endpoint, until: request.deadline) {
        case .success(let link): return Berth(link: link, token: token)
        case .failure(let error): throw Failure(error: error)
        }
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
