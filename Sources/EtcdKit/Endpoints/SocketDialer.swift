// SPDX-License-Identifier: Apache-2.0

/// The first half of every dial, for any protocol: gets ready for TLS, looks the name up, and connects to one of the
/// addresses.
@EventLoop
final class SocketDialer {
    private let endpoint: Endpoint
    private let tls: TLSContextSource
    private let resolver: HostResolver
    private let onConnect: @EventLoop (consuming Socket, TLSSession?) -> Void
    private let onDefeat: @EventLoop (ConnectionError) -> Void
    private var contextRequest: TLSContextSource.Request?
    private var context: TLSContext?
    private var lookup: HostResolver.Lookup?
    private var race: AddressRace?

    /// Prepares the dial, which ``start()`` starts.
    ///
    /// `onConnect` is called with each connection and, if the endpoint wants TLS, a session for it; `onDefeat` when no
    /// address is left. Either may be called within ``start()``.
    init(
        _ endpoint: Endpoint,
        tls: TLSContextSource,
        resolver: HostResolver,
        onConnect: @escaping @EventLoop (consuming Socket, TLSSession?) -> Void,
        onDefeat: @escaping @EventLoop (ConnectionError) -> Void
    ) {
        self.endpoint = endpoint
        self.tls = tls
        self.resolver = resolver
        self.onConnect = onConnect
        self.onDefeat = onDefeat
    }

    /// The address of the last connection.
    var winner: SocketAddress? { race?.winner }

    /// Why addresses have failed.
    var failure: ConnectionError? { race?.failure }

    func start() {
        guard tls.secures(endpoint) else { return lookUp() }
        contextRequest = tls.context { [weak self] answer in
            guard let self else { return }
            contextRequest = nil
            switch answer {
            case .success(let context):
                self.context = context
                lookUp()
            case .failure(let error):
                onDefeat(ConnectionError(error))
            }
        }
    }

    /// Notes why the last connection was unusable, and tries the other addresses.
    func goOn(after error: ConnectionError) { race?.goOn(after: error) }

    func stop() {
        contextRequest = nil
        lookup = nil
        race?.stop()
        race = nil
    }

    private func lookUp() {
        if let path = endpoint.socketPath { return connect(to: Platform.unixAddress(path).map { [$0] } ?? []) }
        lookup = resolver.resolve(endpoint.host, port: endpoint.port) { [weak self] answer in
            guard let self else { return }
            lookup = nil
            switch answer {
            case .success(let addresses): connect(to: addresses)
            case .failure(let error): onDefeat(ConnectionError(error))
            }
        }
    }

    private func connect(to addresses: [SocketAddress]) {
        let race = AddressRace(
            addresses,
            onWin: { [weak self] socket in self?.isConnected(socket) },
            onDefeat: { [weak self] error in self?.onDefeat(error) }
        )
        self.race = race
        race.start()
    }

    private func isConnected(_ socket: consuming Socket) {
        do throws(TLSError) {
            var session: TLSSession?
            if let context { session = try TLSSession(context, serverName: tls.serverName(for: endpoint.host)) }
            onConnect(consume socket, session)
        } catch {
            race?.goOn(after: ConnectionError(error))
        }
    }
}
