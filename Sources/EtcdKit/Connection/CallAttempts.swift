// SPDX-License-Identifier: Apache-2.0

/// The attempts at a call: as many as are safe, again when the server has certainly not acted on it, and for a read also
/// when its connection was lost or the server could not answer just then.
struct CallAttempts {
    private let request: Channel.Request
    private let channel: Channel
    private var loop: AttemptLoop
    private var link: Channel.Link?
    private var attempts = 0
    private var lastFailure: (endpoint: Endpoint, error: EtcdError)?
    private var tried: [Endpoint]
    private var haveAllFailed = false
    private var hasRenewedToken = false
    /// Calls have a choice of endpoints.
    private var hasAlternatives = false

    init(of request: Channel.Request, over channel: Channel) {
        self.request = request
        self.channel = channel
        loop = AttemptLoop(request.retry, maximumAttempts: request.retry.maximumAttempts, deadline: request.deadline)
        tried = request.avoided
    }

    /// The outcome of the call, which is over.
    func answer<Success>(_ result: Result<Success, EtcdError>) -> Channel.Answer<Success> {
        if let endpoint = request.endpoint { EventLoop.execute { [channel] in channel.leave(endpoint) } }
        return Channel.Answer(result: result, link: link, attempts: attempts)
    }

    // MARK: An attempt

    /// A connection and the token for an attempt, if nothing is to be waited for.
    mutating func berthAtOnce() -> Channel.Berth? {
        if request.endpoint != nil { return nil }
        return channel.context.published.withLock { published in
            hasAlternatives = published.hasAlternatives
            let token: AuthToken?
            if request.needsToken {
                guard let known = published.token else { return nil }
                token = known
            } else {
                token = nil
            }
            let link = published.nextLink(avoiding: tried, channel.configuration.failover)
            return link.map { Channel.Berth(link: $0, token: token) }
        }
    }

    /// A connection and the token for an attempt, waited for where need be.
    mutating func berth() async throws(EtcdError) -> Channel.Berth {
        if let berth = berthAtOnce() { return berth }
        let context = channel.context
        var token: AuthToken?
        if request.needsToken {
            token = try await context.tokens.token(until: request.deadline.instant, over: channel).get()
        }
        if request.endpoint == nil, let link = channel.nextLink(avoiding: tried) {
            return Channel.Berth(link: link, token: token)
        }
        let link = try await channel.waitForLink(at: request.endpoint, until: request.deadline.instant).get()
        return Channel.Berth(link: link, token: token)
    }

    /// Notes that an attempt begins.
    ///
    /// - Returns: How long it may be without an answer; nil for as long as the call.
    mutating func begin(at berth: Channel.Berth) -> GRPCUnaryCall.Patience? {
        if let lastFailure {
            channel.context.report(.callRetried(request.call, lastFailure.endpoint, lastFailure.error))
        }
        (link, attempts) = (berth.link, loop.number)
        return patience(on: berth.link)
    }

    private func patience(on link: Channel.Link) -> GRPCUnaryCall.Patience? {
        // The only endpoint gets all the time there is.
        guard hasAlternatives, request.endpoint == nil, !request.mayWait else { return nil }
        let start = MonotonicInstant.now
        let limit = request.retry.patience(ofAttempt: loop.number)
        let wait = min(limit, (request.deadline - start) / 2)
        let mayRepeat = request.isRead && !loop.isLast
        return GRPCUnaryCall.Patience(end: start + wait) { [channel] in
            // Before the limit, only an endpoint that says nothing at all is to blame.
            if wait == limit || link.connection.lastReceived < start {
                let reason = EtcdError(.unavailable, "no answer within \(wait) [\(link.endpoint)]")
                channel.suspect(link.endpoint, reason)
            }
            return mayRepeat
        }
    }

    // MARK: A failure

    /// Waits, if need be, until the next attempt may begin.
    ///
    /// - Throws: Why the call has failed, if there is to be no other attempt.
    mutating func goOn(after failure: GRPCFailure, at berth: Channel.Berth) async throws(EtcdError) {
        let place = berth.link.endpoint
        if let lastFailure, failure.code == .deadlineExceeded, failure.effect == .none {
            // It was not made again for want of time, and why that was needed says more.
            throw lastFailure.error
        }
        let error = EtcdError(failure, of: request, at: place)
        lastFailure = (place, error)
        if failure.effect == .answered, failure.code.castsSuspicion {
            EventLoop.execute { [channel] in channel.suspect(place, error) }
        }
        guard await loop.goOn(await next(after: failure, with: berth.token, at: place)) else { throw error }
    }

    private mutating func next(
        after failure: GRPCFailure,
        with token: AuthToken?,
        at place: Endpoint
    ) async -> AttemptLoop.Next {
        if failure.code.meansTokenIsRejected && failure.effect == .answered && request.needsToken {
            // Once for a call, and also where a certificate says who the client is: its cached rights may be old.
            let mayRenew = !hasRenewedToken && (channel.context.tokens.canRenew || failure.code == .staleToken)
            hasRenewedToken = true
            await channel.context.tokens.reject(token)
            return mayRenew ? .atOnce : .nothing
        }
        guard failure.permitsRepetition(isRead: request.isRead) else { return .nothing }
        tried.append(place)
        let isElsewhere = request.endpoint == nil && channel.hasLink(avoiding: tried)
        if isElsewhere, !failure.code.concernsCluster { return .atOnce }
        // All have failed: again from the start, later and later.
        let isFirst = !haveAllFailed && !failure.code.concernsCluster
        haveAllFailed = true
        tried = request.avoided
        return isFirst ? .atOnce : .afterPause
    }
}

extension Channel {
    /// A connection, waited for until the deadline.
    func waitForLink(
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
}
