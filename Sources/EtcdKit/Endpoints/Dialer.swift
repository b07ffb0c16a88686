// SPDX-License-Identifier: Apache-2.0

/// One attempt to reach an endpoint: connects to it, and waits for the HTTP/2 settings.
@EventLoop
final class Dialer {
    typealias Outcome = Result<HTTP2Connection, ConnectionError>

    struct Options: Sendable {
        var timeout: Duration
        var connection = HTTP2Connection.Options()
        var resolver = HostResolver.system
        /// Finds out which protocol a server speaks that closes the connection without a message.
        var asksForProtocol = false
    }

    private let endpoint: Endpoint
    private let options: Options
    private let tls: TLSContextSource
    private var completion: (@EventLoop (Outcome) -> Void)?
    private var timer: EventLoop.Timer?
    private var sockets: SocketDialer?
    private var connection: HTTP2Connection?
    private var probe: ProtocolProbe?
    /// Why the server whose protocol is probed cannot be used.
    private var pendingError: ConnectionError?

    /// Prepares the attempt, which ``start()`` starts.
    ///
    /// The completion is called once, and maybe within ``start()``, unless the dialer is cancelled before.
    init(
        _ endpoint: Endpoint,
        _ options: Options,
        tls: TLSContextSource = TLSContextSource(nil),
        completion: @escaping @EventLoop (Outcome) -> Void
    ) {
        self.endpoint = endpoint
        self.options = options
        self.tls = tls
        self.completion = completion
    }

    func start() {
        timer = EventLoop.schedule(at: .now + options.timeout) { [weak self] in self?.timeIsUp() }
        let sockets = SocketDialer(
            endpoint,
            tls: tls,
            resolver: options.resolver,
            onConnect: { [weak self] socket, session in self?.isConnected(socket, session) },
            onDefeat: { [weak self] error in self?.finish(.failure(error)) }
        )
        self.sockets = sockets
        sockets.start()
    }

    func cancel() {
        completion = nil
        release()
    }

    private func isConnected(_ socket: consuming Socket, _ session: TLSSession?) {
        do throws(HTTP2Error) {
            let connection = try HTTP2Connection(consume socket, options: options.connection, tls: session)
            self.connection = connection
            connection.onStateChange = { [weak self] in self?.stateChanged(of: $0) }
        } catch {
            sockets?.goOn(after: ConnectionError(.refused, "\(error)"))
        }
    }

    private func stateChanged(of connection: HTTP2Connection) {
        switch connection.state {
        case .handshaking:
            break
        case .open:
            self.connection = nil
            finish(.success(connection))
        case .draining(let error), .closed(let error):
            connection.onStateChange = nil
            self.connection = nil
            failed(error)
        }
    }

    private func failed(_ error: ConnectionError) {
        guard options.asksForProtocol, error.kind == .unanswered, let address = sockets?.winner else {
            sockets?.goOn(after: error)
            return
        }
        pendingError = error
        let serverName = tls.serverName(for: endpoint.host)
        probe = ProtocolProbe(address, isSecure: tls.secures(endpoint), serverName: serverName) { [weak self] finding in
            guard let self else { return }
            probe = nil
            pendingError = nil
            sockets?.goOn(after: finding ?? error)
        }
    }

    private func timeIsUp() {
        let reasons = (pendingError ?? sockets?.failure).map { " (\($0))" } ?? ""
        finish(.failure(ConnectionError(.silent, "no answer within \(options.timeout)\(reasons)")))
    }

    private func finish(_ outcome: Outcome) {
        let completion = completion
        self.completion = nil
        release()
        completion?(outcome)
    }

    private func release() {
        if let timer { EventLoop.cancel(timer) }
        probe = nil
        sockets?.stop()
        sockets = nil
        connection?.onStateChange = nil
        connection?.close(ConnectionError(.closedByUs, "the attempt was given up"))
        connection = nil
    }
}
