// SPDX-License-Identifier: Apache-2.0

/// One attempt to reach an endpoint: looks its name up, tries each address, and waits for the HTTP/2 settings.
@EventLoop
final class Dialer {
    typealias Outcome = Result<HTTP2Connection, ConnectionError>

    private let endpoint: Endpoint
    private let options: HTTP2Connection.Options
    private var completion: (@EventLoop (Outcome) -> Void)?
    private var addresses: ArraySlice<SocketAddress> = []
    private var lastError = ConnectionError(.refused, "the name has no address")
    private var timer: EventLoop.Timer?
    private var socket: Socket?
    private var connection: HTTP2Connection?

    /// Starts the attempt.
    ///
    /// The completion is called once, unless the dialer is cancelled before.
    init(
        _ endpoint: Endpoint,
        timeout: Duration,
        options: HTTP2Connection.Options,
        completion: @escaping @EventLoop (Outcome) -> Void
    ) {
        self.endpoint = endpoint
        self.options = options
        self.completion = completion
        timer = EventLoop.schedule(at: .now + timeout) { [weak self] in
            self?.finish(.failure(ConnectionError(.refused, "no answer within \(timeout)")))
        }
        HostResolver.resolve(endpoint.host, port: endpoint.port) { [weak self] answer in
            guard let self, self.completion != nil else { return }
            switch answer {
            case .success(let addresses):
                self.addresses = addresses[...]
                connectToNextAddress()
            case .failure(let error):
                finish(.failure(ConnectionError(.refused, error.description)))
            }
        }
    }

    func cancel() {
        completion = nil
        release()
    }

    private func connectToNextAddress() {
        guard let address = addresses.popFirst() else { return finish(.failure(lastError)) }
        do {
            let socket = try Socket.connecting(to: address)
            let descriptor = socket.descriptor
            self.socket = consume socket
            EventLoop.watch(descriptor) { [weak self] _ in self?.socketIsConnected() }
            EventLoop.setInterest(of: descriptor, read: false, write: true)
        } catch {
            lastError = ConnectionError(.refused, error.description)
            connectToNextAddress()
        }
    }

    private func socketIsConnected() {
        guard let socket = socket.take() else { return }
        EventLoop.unwatch(socket.descriptor)
        do {
            try socket.connectResult()
            let connection = try HTTP2Connection(consume socket, options: options)
            self.connection = connection
            connection.onStateChange = { [weak self] in self?.stateChanged(of: $0) }
        } catch {
            lastError = ConnectionError(.refused, "\(error)")
            connectToNextAddress()
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
            lastError = error
            connectToNextAddress()
        }
    }

    private func finish(_ outcome: Outcome) {
        let completion = completion
        self.completion = nil
        release()
        completion?(outcome)
    }

    private func release() {
        if let timer { EventLoop.cancel(timer) }
        if let descriptor = socket?.descriptor { EventLoop.unwatch(descriptor) }
        socket = nil
        connection?.onStateChange = nil
        connection?.close(ConnectionError(.closedByUs, "the attempt was given up"))
        connection = nil
    }
}
