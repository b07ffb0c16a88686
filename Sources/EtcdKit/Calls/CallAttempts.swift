// SPDX-License-Identifier: Apache-2.0

/// The attempts at a call: it is repeated if the server certainly has not acted on it, and a read also if its
/// connection was lost or the server could not answer at that moment.
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
        loop = AttemptLoop(request.retry, maximumAttempts: request.retry.maximumAttempts, until: request.deadline)
        tried = request.avoided
    }

    /// The outcome of the call, which is over.
    func answer<Success>(_ result: Result<Success, EtcdError>) -> Channel.Answer<Success> {
        if let endpoint = request.endpoint { EventLoop.execute { [channel] in channel.leave(endpoint) } }
        return Channel.Answer(result: result, link: link, attempts: attempts)
    }

    // MARK: An attempt

    /// A connection and the token for an attempt, if both are there already.
    mutating func routeAtOnce() -> Channel.Route? {
        if request.endpoint != nil { return nil }
        return channel.published.withLock { published in
            hasAlternatives = published.hasAlternatives
            guard let token = request.needsToken ? published.token : .some(nil) else { return nil }
            let link = published.nextLink(avoiding: tried, channel.configuration.failover)
            return link.map { Channel.Route(link: $0, token: token) }
        }
    }

    /// A connection and the token for an attempt; waits for them if necessary.
    mutating func route() async throws(EtcdError) -> Channel.Route {
        if let route = routeAtOnce() { return route }
        let deadline = request.deadline.instant
        var token = request.needsToken ? channel.tokens.probableToken : .some(nil)
        while true {
            // Also before there is a token, since the policy is that of this call, and the token is for all calls.
            let present = request.endpoint == nil ? channel.nextLink(avoiding: tried) : nil
            let link =
                if let present { present } else {
                    try await channel.link(at: request.endpoint, until: deadline, request.waitPolicy)
                }
            if let token { return Channel.Route(link: link, token: token) }
            do throws(EtcdError) {
                token = .some(try await channel.tokens.token(until: deadline, over: channel))
            } catch {
                let isCutOff = [.unavailable, .misconfigured].contains(error.code) && !channel.hasLink(avoiding: [])
                guard isCutOff else { throw error }
                _ = try await channel.link(at: nil, until: deadline, request.waitPolicy)
            }
        }
    }

    /// Notes that an attempt begins.
    ///
    /// - Returns: How long it may be without an answer; nil for as long as the call.
    mutating func begin(at route: Channel.Route) -> GRPCUnaryCall.Patience? {
        if let lastFailure {
            channel.report(.callRetried(request.call, lastFailure.endpoint, lastFailure.error))
        }
        (link, attempts) = (route.link, loop.number)
        return patience(on: route.link)
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
    mutating func goOn(after failure: GRPCFailure, at route: Channel.Route) async throws(EtcdError) {
        // The connection has ended just now, so that was no attempt; there will be another connection.
        if case .connection = failure.cause { return }
        let place = route.link.endpoint
        if let lastFailure, failure.code == .deadlineExceeded, failure.effect == .none {
            // There was no time left for another attempt; the failure that led to it says more.
            throw lastFailure.error
        }
        let error = EtcdError(failure, of: request, at: place)
        lastFailure = (place, error)
        if failure.effect == .answered, failure.code.castsSuspicion {
            EventLoop.execute { [channel] in channel.suspect(place, error) }
        }
        guard await loop.goOn(await next(after: failure, with: route.token, at: place)) else { throw error }
    }

    private mutating func next(
        after failure: GRPCFailure,
        with token: AuthToken?,
        at place: Endpoint
    ) async -> AttemptLoop.Next {
        if failure.code.meansTokenIsRejected && failure.effect == .answered && request.needsToken {
            // Once for a call, and also for users identified by a certificate: etcd's cached permissions may be old.
            let mayRenew = !hasRenewedToken && (channel.tokens.canRenew || failure.code == .staleToken)
            hasRenewedToken = true
            await channel.tokens.reject(token)
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
