// SPDX-License-Identifier: Apache-2.0

/// One attempt to reach an endpoint: gets ready for TLS, looks the name up, connects to one of the addresses, and waits
/// for the HTTP/2 settings.
@EventLoop
final class Dialer {
    typealias Outcome = Result<HTTP2Connection, ConnectionError>

    struct Options: Sendable {
        var timeout: Duration
        var connection = HTTP2Connection.Options()
        var resolver = HostResolver.system
        /// Finds out which protocol a server speaks that hangs up without a word.
        var asksForProtocol = false
    }

    private let endpoint: Endpoint
    private let options: Options
    private let tls: TLSContextSource
    private var completion: (@EventLoop (Outcome) -> Void)?
    private var timer: EventLoop.Timer?
    private var contextRequest: TLSContextSource.Request?
    private var context: TLSContext?
    private var lookup: HostResolver.Lookup?
    private var race: AddressRace?
    private var connection: HTTP2Connection?
    private var probe: ProtocolProbe?
    /// Why the server that is asked for its protocol is of no use.
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
        if tls.secures(endpoint) { getReady() } else { lookUp() }
    }

    func cancel() {
        completion = nil
        release()
    }

    private func getReady() {
        contextRequest = tls.context { [weak self] answer in
            guard let self else { return }
            contextRequest = nil
            switch answer {
            case .success(let context):
                self.context = context
                lookUp()
            case .failure(let error):
                finish(.failure(ConnectionError(error)))
            }
        }
    }

    private func lookUp() {
        if let path = endpoint.socketPath { return connect(to: Platform.unixAddress(path).map { [$0] } ?? []) }
        lookup = options.resolver.resolve(endpoint.host, port: endpoint.port) { [weak self] answer in
            guard let self else { return }
            lookup = nil
            switch answer {
            case .success(let addresses): connect(to: addresses)
            case .failure(let error): finish(.failure(ConnectionError(error)))
            }
        }
    }

    private func connect(to addresses: [SocketAddress]) {
        let race = AddressRace(
            addresses,
            onWin: { [weak self] socket in self?.isConnected(socket) },
            onDefeat: { [weak self] error in self?.finish(.failure(error)) }
        )
        self.race = race
        race.start()
    }

    private func isConnected(_ socket: consuming Socket) {
        do {
            var session: TLSSession?
            if let context { session = try TLSSession(context, serverName: tls.serverName(of: endpoint)) }
            let connection = try HTTP2Connection(consume socket, options: options.connection, tls: session)
            self.connection = connection
            connection.onStateChange = { [weak self] in self?.stateChanged(of: $0) }
        } catch let error as TLSError {
            race?.goOn(after: ConnectionError(error))
        } catch {
            race?.goOn(after: ConnectionError(.refused, "\(error)"))
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
        guard options.asksForProtocol, error.kind == .unanswered, let address = race?.winner else {
            race?.goOn(after: error)
            return
        }
        pendingError = error
        let serverName = tls.serverName(of: endpoint)
        probe = ProtocolProbe(address, isSecure: context != nil, serverName: serverName) { [weak self] finding in
            guard let self else { return }
            probe = nil
            pendingError = nil
            race?.goOn(after: finding ?? error)
        }
    }

    private func timeIsUp() {
        let reasons = (pendingError ?? race?.failure).map { " (\($0))" } ?? ""
        finish(.failure(ConnectionError(.refused, "no answer within \(options.timeout)\(reasons)")))
    }

    private func finish(_ outcome: Outcome) {
        let completion = completion
        self.completion = nil
        release()
        completion?(outcome)
    }

    private func release() {
        if let timer { EventLoop.cancel(timer) }
        contextRequest = nil
        lookup = nil
        probe = nil
        race?.stop()
        race = nil
        connection?.onStateChange = nil
        connection?.close(ConnectionError(.closedByUs, "the attempt was given up"))
        connection = nil
    }
}
