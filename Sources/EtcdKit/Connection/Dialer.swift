// SPDX-License-Identifier: Apache-2.0

/// One attempt to reach an endpoint: gets ready for TLS, looks the name up, connects to one of the addresses, and waits
/// for the HTTP/2 settings.
@EventLoop
final class Dialer {
    typealias Outcome = Result<HTTP2Connection, ConnectionError>
    typealias Resolver =
        @EventLoop (String, UInt16, @escaping @Sendable @EventLoop (HostResolver.Answer) -> Void) -> Void

    private let endpoint: Endpoint
    private let options: HTTP2Connection.Options
    private let resolve: Resolver
    private let serverName: String
    private var completion: (@EventLoop (Outcome) -> Void)?
    private var timer: EventLoop.Timer?
    private var context: TLSContext?
    private var race: AddressRace?
    private var connection: HTTP2Connection?

    /// Starts the attempt.
    ///
    /// The completion is called once, unless the dialer is cancelled before.
    init(
        _ endpoint: Endpoint,
        timeout: Duration,
        options: HTTP2Connection.Options,
        tls: TLSContextSource = TLSContextSource(nil),
        resolve: @escaping Resolver = HostResolver.resolve,
        completion: @escaping @EventLoop (Outcome) -> Void
    ) {
        self.endpoint = endpoint
        self.options = options
        self.resolve = resolve
        self.completion = completion
        serverName = tls.serverName(of: endpoint)
        timer = EventLoop.schedule(at: .now + timeout) { [weak self] in self?.timeIsUp(timeout) }
        if tls.secures(endpoint) { getReady(tls) } else { lookUp() }
    }

    func cancel() {
        completion = nil
        release()
    }

    private func getReady(_ tls: TLSContextSource) {
        tls.context { [weak self] answer in
            guard let self, completion != nil else { return }
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
        resolve(endpoint.host, endpoint.port) { [weak self] answer in
            guard let self, completion != nil else { return }
            switch answer {
            case .success(let addresses): connect(to: addresses)
            case .failure(let error): finish(.failure(ConnectionError(.refused, error.description)))
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
            if let context { session = try TLSSession(context, serverName: serverName) }
            let connection = try HTTP2Connection(consume socket, options: options, tls: session)
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
            self.connection = nil
            race?.goOn(after: error)
        }
    }

    private func timeIsUp(_ timeout: Duration) {
        let reasons = race?.failure.map { " (\($0))" } ?? ""
        finish(.failure(ConnectionError(.refused, "no answer within \(timeout)\(reasons)")))
    }

    private func finish(_ outcome: Outcome) {
        let completion = completion
        self.completion = nil
        release()
        completion?(outcome)
    }

    private func release() {
        if let timer { EventLoop.cancel(timer) }
        race?.stop()
        race = nil
        connection?.onStateChange = nil
        connection?.close(ConnectionError(.closedByUs, "the attempt was given up"))
        connection = nil
    }
}
