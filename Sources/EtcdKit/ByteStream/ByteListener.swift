// SPDX-License-Identifier: Apache-2.0

/// Accepts TCP connections as streams of bytes, within TLS if it has a configuration for that.
///
/// When the last reference goes away, the port is free again.
@EventLoop
package final class ByteListener {
    /// How long to wait when the process has no descriptor left for a connection.
    private static let pause: Duration = .milliseconds(100)

    /// The port that clients reach it at.
    package nonisolated let port: UInt16
    private let contextSource: TLSContextSource?
    private var socket: Socket?
    private var call: ByteStreamCall<ByteStream>?
    private var retry: EventLoop.Timer?

    private init(_ socket: consuming Socket, _ contextSource: TLSContextSource?) throws(SystemError) {
        port = try socket.localPort()
        self.contextSource = contextSource
        self.socket = consume socket
    }

    /// Listens on the first address of `host` that can be listened on.
    ///
    /// - Parameters:
    ///   - host: A name or an IP address.
    ///   - port: The port; 0 for a free one.
    ///   - tls: How to protect the connections; nil for plaintext.
    /// - Returns: The listener, to which clients can connect from now on.
    /// - Throws: ``ByteStreamError`` of reason `refused` (for example, the port is in use), `misconfigured` (the
    ///   certificates cannot be used) or `cancelled`.
    package nonisolated static func listen(
        host: String,
        port: UInt16,
        tls: TLSServerConfiguration? = nil
    ) async throws(ByteStreamError) -> ByteListener {
        let source = tls.map { TLSContextSource($0) }
        // Files that cannot be used fail here, and not at the first client.
        if let source { _ = try await source.context(until: nil) }
        let addresses: [SocketAddress]
        do throws(SocketAddress.LookupError) {
            addresses = try await HostResolver.system.addresses(of: host, port: port)
        } catch {
            throw ByteStreamError(Task.isCancelled ? .cancelled : .refused, error.description)
        }
        return try await listen(on: addresses, source)
    }

    private static func listen(
        on addresses: [SocketAddress],
        _ source: TLSContextSource?
    ) throws(ByteStreamError) -> ByteListener {
        var failure = "the name has no address"
        for address in addresses {
            do throws(SystemError) {
                return try ByteListener(.listening(on: address), source)
            } catch {
                failure = "cannot listen on \(Platform.text(of: address) ?? "it"): \(error.reason)"
            }
        }
        throw ByteStreamError(.refused, failure)
    }

    /// Waits for the next connection; one task may.
    ///
    /// TLS begins with the first call on the stream, so a silent client does not delay the others.
    ///
    /// - Returns: The connection.
    /// - Throws: ``ByteStreamError`` of reason `cancelled` or `closed`.
    package nonisolated func accept() async throws(ByteStreamError) -> ByteStream {
        try await ByteStreamCall.run(until: nil) { call in
            guard let descriptor = self.socket?.descriptor else {
                return call.complete(.failure(ByteStreamError(.closed, "the listener was closed")))
            }
            guard self.call == nil else {
                return call.complete(.failure(ByteStreamError(.misconfigured, "another task accepts already")))
            }
            self.call = call
            call.onEnd = { self.acceptEnded() }
            EventLoop.watch(descriptor) { [weak self] _ in self?.advance() }
            self.advance()
        }
    }

    /// Stops listening; open streams continue.
    package nonisolated func close() {
        EventLoop.execute {
            if let descriptor = self.socket?.descriptor { Platform.stopListening(descriptor) }
            self.call?.complete(.failure(ByteStreamError(.closed, "the listener was closed")))
            self.socket = nil
        }
    }

    private func advance() {
        guard let call else { return }
        do throws(SystemError) {
            guard let descriptor = try socket?.acceptConnection() else { return }
            let address = Platform.peerAddress(of: descriptor).flatMap { Platform.text(of: $0) }
            let socket = Socket(adopting: descriptor)
            let stream = ByteStream(socket, contextSource: contextSource, remoteAddress: address ?? "unknown")
            call.complete(.success(stream))
        } catch {
            // The connection stays in the queue, and is reported over and over.
            if let descriptor = socket?.descriptor { EventLoop.setInterest(of: descriptor, read: false, write: false) }
            retry = EventLoop.schedule(at: .now + Self.pause) { [weak self] in
                guard let self, let descriptor = socket?.descriptor else { return }
                EventLoop.setInterest(of: descriptor, read: true, write: false)
                advance()
            }
        }
    }

    private func acceptEnded() {
        call = nil
        if let retry { EventLoop.cancel(retry) }
        retry = nil
        if let descriptor = socket?.descriptor { EventLoop.unwatch(descriptor) }
    }
}
