// SPDX-License-Identifier: Apache-2.0

/// The gRPC stream for renewals; when it ends, it is opened again, at another endpoint if there is one.
@EventLoop
final class LeaseConnection {
    enum Event {
        case opened
        case answered(Wire.LeaseKeepAliveResponse, by: Endpoint)
        /// The stream has ended: the owner calls ``open()`` or ``reopen(after:isFinal:)``.
        case ended(EtcdError)
        /// There will be no stream, because this error will not go away.
        case failed(EtcdError)
    }

    private enum State {
        case idle
        case connecting(Channel.Waiter?)
        /// The stream has ended; a new one is opened when the timer fires.
        case pausing(EventLoop.Timer)
        case open(GRPCStream, Endpoint)
        case closed
    }

    static let longestPause = Duration.milliseconds(500)
    /// How many tokens in a row may be rejected; a member may not know a new token yet.
    private static let maximumRejections = 3
    /// Counts the streams that were opened, those of all clients.
    private static var openedCount = 0

    private let channel: Channel
    private let onEvent: @EventLoop (Event) -> Void
    private var state = State.idle
    /// Counts attempts to open the stream, to tell the last from those that were given up.
    private var attempt = 0
    /// Tells the open stream from all others.
    private(set) var number = 0
    private(set) var opened = MonotonicInstant.now
    /// Why the last stream has ended, until the next is answered.
    private(set) var lastError: EtcdError?
    private var lastEndpoint: Endpoint?
    private var failures = 0
    private var rejections = 0

    init(_ channel: Channel, _ onEvent: @escaping @EventLoop (Event) -> Void) {
        self.channel = channel
        self.onEvent = onEvent
    }

    /// The endpoint at the other end of the open stream.
    var endpoint: Endpoint? {
        if case .open(_, let endpoint) = state { endpoint } else { nil }
    }

    func send(_ frames: [UInt8]) {
        if case .open(let stream, _) = state { stream.send(frame: frames) }
    }

    /// An answer has come, so that earlier failures do not count any more.
    func hasProvenItself() {
        lastError = nil
        failures = 0
        rejections = 0
    }

    // MARK: Opening

    /// Opens the stream, unless it is open or about to be.
    func open() {
        guard case .idle = state else { return }
        state = .connecting(nil)
        attempt += 1
        let number = attempt
        let waiter = channel.whenReadyForStream(avoiding: lastError == nil ? nil : lastEndpoint) { [weak self] result in
            guard let self, case .connecting = state, attempt == number else { return }
            switch result {
            case .success(let route): open(at: route)
            // Any other error may be one of the credentials' provider, and pass.
            case .failure(let error): reopen(after: error, isFinal: error.code == .authenticationFailed)
            }
        }
        if case .connecting = state, attempt == number { state = .connecting(waiter) }
    }

    private func open(at route: Channel.Route) {
        let endpoint = route.link.endpoint
        do {
            let stream = try GRPCStream(
                Wire.leaseKeepAlive,
                metadata: channel.metadata(for: endpoint, requiresLeader: true, token: route.token),
                maximumMessageSize: channel.configuration.maximumMessageSize,
                on: route.link.connection
            ) { [weak self] response, _ in
                self?.onEvent(.answered(response, by: endpoint))
            } onEnd: { [weak self] failure in
                self?.ended(failure, route)
            }
            state = .open(stream, endpoint)
            Self.openedCount += 1
            number = Self.openedCount
        } catch {
            return reopen(after: EtcdError(error, at: endpoint))
        }
        if let lastEndpoint, lastEndpoint != endpoint {
            channel.report(.failedOver(from: lastEndpoint, to: endpoint))
            lastError = nil
        }
        lastEndpoint = endpoint
        opened = .now
        onEvent(.opened)
    }

    /// Opens another stream after an error, unless the error will not go away: nil lets its code decide.
    func reopen(after error: EtcdError, isFinal: Bool? = nil) {
        if case .closed = state { return }
        state = .idle
        lastError = error
        failures += 1
        if isFinal ?? isHopeless(error.code) { return onEvent(.failed(error)) }
        // At once if there is another endpoint or another token.
        if failures == 1, channel.hasAlternatives || error.code.meansTokenIsRejected { return open() }
        let pause = channel.configuration.backoff.delay(afterFailures: failures)
        let timer = EventLoop.schedule(at: .now + min(pause, Self.longestPause)) { [weak self] in
            guard let self, case .pausing = state else { return }
            state = .idle
            open()
        }
        state = .pausing(timer)
    }

    /// Neither another endpoint nor waiting will help.
    private func isHopeless(_ code: EtcdError.Code) -> Bool {
        if !code.meansTokenIsRejected { return [.unimplemented, .unauthenticated].contains(code) }
        if channel.tokens.canRenew { return rejections >= Self.maximumRejections }
        // A client with a certificate has no token to renew, but etcd may have had an old copy of its permissions.
        return rejections > (code == .staleToken ? 1 : 0)
    }

    // MARK: Ending

    private func ended(_ failure: GRPCFailure?, _ route: Channel.Route) {
        let endpoint = route.link.endpoint
        let error = EtcdError(endOfStreamOf: "renewals", failure, at: endpoint)
        if failure?.effect == .answered, error.code.castsSuspicion { channel.suspect(endpoint, error) }
        if error.code.meansTokenIsRejected {
            channel.tokens.reject(route.token)
            rejections += 1
        }
        state = .idle
        onEvent(.ended(error))
    }

    /// Ends the open stream, as if the server had.
    func giveUp(_ error: EtcdError) {
        guard case .open(let stream, _) = state else { return }
        stream.cancel()
        state = .idle
        onEvent(.ended(error))
    }

    /// Ends the stream, for good.
    func close() {
        switch state {
        case .connecting(let waiter): if let waiter { channel.forget(waiter) }
        case .pausing(let timer): EventLoop.cancel(timer)
        case .open(let stream, _): stream.cancel()
        case .idle, .closed: break
        }
        state = .closed
    }
}
