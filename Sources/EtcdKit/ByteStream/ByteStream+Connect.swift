// SPDX-License-Identifier: Apache-2.0

extension ByteStream {
    /// Connects to an endpoint, with TLS if the endpoint or the configuration requires it, and completes the handshake.
    ///
    /// - Parameters:
    ///   - endpoint: A host and a port, or a unix socket; all addresses of a name are tried.
    ///   - tls: How to protect the connection; nil for plaintext, unless the endpoint wants TLS.
    ///   - timeout: How long all of it may take.
    /// - Returns: The stream, after the handshake.
    /// - Throws: ``ByteStreamError`` of reason `refused`, `reset`, `tls`, `misconfigured`, `timedOut` or `cancelled`.
    package nonisolated static func connect(
        to endpoint: Endpoint,
        tls: TLSConfiguration? = nil,
        timeout: Duration
    ) async throws(ByteStreamError) -> ByteStream {
        try await connect(to: endpoint, tls: TLSContextSource(forStreams: tls), timeout: timeout)
    }

    /// Connects as ``connect(to:tls:timeout:)`` does, with a source that keeps what it has read for the next connections.
    package nonisolated static func connect(
        to endpoint: Endpoint,
        tls: TLSContextSource,
        timeout: Duration,
        resolver: HostResolver = .system
    ) async throws(ByteStreamError) -> ByteStream {
        let deadline = ContinuousClock.Instant.after(timeout)
        let dial = StreamDial(endpoint, tls, resolver, timeout)
        defer { dial.stop() }
        var failure: ByteStreamError?
        while true {
            let stream = try await dial.next(after: failure, until: deadline)
            do throws(ByteStreamError) {
                try await stream.handshake(deadline: deadline)
                return stream
            } catch {
                stream.close()
                if error.reason == .cancelled || error.reason == .timedOut { throw error }
                failure = error
            }
        }
    }

    /// Starts TLS on a stream that was opened without it, as `STARTTLS` does, and completes the handshake.
    ///
    /// Nothing may read or write meanwhile. After an error the stream is of no use.
    ///
    /// - Parameters:
    ///   - configuration: How to protect the connection.
    ///   - serverName: The name that the peer's certificate must be for, unless the configuration has one.
    ///   - deadline: Until when to wait; nil for ever.
    /// - Throws: ``ByteStreamError``, of reason `misconfigured` also if the stream is in use or has TLS.
    package nonisolated func secure(
        with configuration: TLSConfiguration,
        serverName: String,
        deadline: ContinuousClock.Instant? = nil
    ) async throws(ByteStreamError) {
        let source = TLSContextSource(forStreams: configuration)
        try await begin(source.context(until: deadline), serverName: source.serverName(for: serverName))
        try await handshake(deadline: deadline)
    }
}

extension TLSContextSource {
    /// The context, or why there is none.
    nonisolated func context(until deadline: ContinuousClock.Instant?) async throws(ByteStreamError) -> TLSContext {
        try await ByteStreamCall.run(until: deadline) { call in
            let request = self.context { call.complete($0.mapError { ByteStreamError($0) }) }
            // Kept until then.
            call.onEnd = { withExtendedLifetime(request) {} }
        }
    }
}

/// The connections to one endpoint, one after the other until one is usable.
@EventLoop
private final class StreamDial {
    private let timeout: Duration
    private var sockets: SocketDialer?
    private var call: ByteStreamCall<ByteStream>?
    private let makeSockets: @EventLoop (StreamDial) -> SocketDialer

    nonisolated init(_ endpoint: Endpoint, _ tls: TLSContextSource, _ resolver: HostResolver, _ timeout: Duration) {
        self.timeout = timeout
        makeSockets = { dial in
            SocketDialer(
                endpoint,
                tls: tls,
                resolver: resolver,
                onConnect: { [weak dial] socket, session in
                    let address = endpoint.socketPath ?? dial?.sockets?.winner.flatMap { Platform.text(of: $0) }
                    let stream = ByteStream(socket, tls: session, remoteAddress: address ?? endpoint.description)
                    dial?.call?.complete(.success(stream))
                },
                onDefeat: { [weak dial] in dial?.call?.complete(.failure(ByteStreamError($0))) }
            )
        }
    }

    /// The next connection, after the previous one failed for this reason.
    nonisolated func next(
        after failure: ByteStreamError?,
        until deadline: ContinuousClock.Instant
    ) async throws(ByteStreamError) -> ByteStream {
        let timeoutMessage = { @EventLoop @Sendable in
            "no answer within \(self.timeout)\(self.sockets?.failure.map { " (\($0))" } ?? "")"
        }
        return try await ByteStreamCall.run(until: deadline, timeoutMessage: timeoutMessage) { call in
            self.call = call
            call.onEnd = { self.call = nil }
            if let failure {
                self.sockets?.goOn(after: ConnectionError(failure))
            } else {
                let sockets = self.makeSockets(self)
                self.sockets = sockets
                sockets.start()
            }
        }
    }

    nonisolated func stop() {
        EventLoop.execute {
            self.sockets?.stop()
            self.sockets = nil
        }
    }
}

extension ConnectionError {
    fileprivate init(_ error: ByteStreamError) {
        switch error.reason {
        case .tls: self.init(.protocolViolation, error.message)
        case .reset: self.init(.lost, error.message)
        case .misconfigured: self.init(.credentials, error.message)
        case .refused, .timedOut, .cancelled, .closed: self.init(.refused, error.message)
        }
    }
}
