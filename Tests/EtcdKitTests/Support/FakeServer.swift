// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A server on a loopback socket that does what a test's script says.
@EventLoop
final class FakeServer {
    /// The server's treatment of a connection that it has accepted.
    enum Behavior {
        /// Speaks HTTP/2; the script gets every event of a request.
        case http2(HTTP2ServerSession.Settings, Script)
        /// Never sends anything.
        case silent
        /// Sends these bytes as soon as the client has sent something.
        case bytes([UInt8])
        /// Hangs up as soon as the client has sent something.
        case hangUp

        /// Speaks HTTP/2 and answers requests when they are complete.
        static func answer(
            _ settings: HTTP2ServerSession.Settings = .init(),
            _ answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
        ) -> Behavior {
            .http2(settings) { _, exchange, event in
                if event == .end { answer(exchange) }
            }
        }
    }

    typealias Script = @EventLoop (Connection, HTTP2ServerExchange, HTTP2ServerSession.Event) -> Void

    let port: UInt16
    private var listener: Socket?
    private var behavior: Behavior
    /// All connections that were accepted, in order.
    private(set) var connections: [Connection] = []

    /// Starts to listen on a free port.
    init(_ behavior: Behavior) throws {
        self.behavior = behavior
        let addresses = try Platform.addresses(of: "127.0.0.1", port: 0, numeric: true).get()
        let listener = try Socket.listening(on: addresses[0])
        port = try listener.localPort()
        let descriptor = listener.descriptor
        self.listener = consume listener
        // It lives until ``stop()``.
        EventLoop.watch(descriptor) { _ in self.accept() }
    }

    /// Starts a server that answers requests when they are complete.
    convenience init(
        _ settings: HTTP2ServerSession.Settings = .init(),
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
    ) throws {
        try self.init(.answer(settings, answer))
    }

    var address: String { "127.0.0.1:\(port)" }

    /// All requests, in the order of their connections.
    var exchanges: [HTTP2ServerExchange] {
        connections.flatMap { connection in
            (connection.session?.exchanges ?? [:]).sorted { $0.key < $1.key }.map(\.value)
        }
    }

    /// Treats connections from now on differently.
    func change(to behavior: Behavior) { self.behavior = behavior }

    /// Hangs up, and stops listening.
    func stop() {
        listener = nil
        for connection in connections { connection.close() }
    }

    private func accept() {
        do {
            while let descriptor = try listener?.acceptConnection() {
                connections.append(try Connection(Socket(adopting: descriptor), behavior))
            }
        } catch {
            stop()
        }
    }
}

extension FakeServer {
    /// The server's end of one connection.
    @EventLoop
    final class Connection {
        private(set) var session: HTTP2ServerSession?
        private let behavior: Behavior
        private var socket: Socket?
        private var output: [UInt8] = []
        private(set) var receivedCount = 0
        /// Neither reads nor writes, but keeps the socket: a peer behind a broken network.
        private(set) var isSilent = false

        fileprivate init(_ socket: consuming Socket, _ behavior: Behavior) throws {
            self.behavior = behavior
            let descriptor = socket.descriptor
            self.socket = consume socket
            EventLoop.watch(descriptor) { self.socketIsReady($0) }
            switch behavior {
            case .http2(let settings, _):
                let session = try HTTP2ServerSession(settings)
                self.session = session
                session.onOutput = { [weak self] in
                    EventLoop.assumeIsolated { EventLoop.atEndOfTurn { self?.flush() } }
                }
                flush()
            case .silent, .bytes, .hangUp: break
            }
        }

        var isOpen: Bool { socket != nil }

        /// Hangs up.
        ///
        /// - Parameter hard: Sends a reset, and drops undelivered bytes.
        func close(hard: Bool = false) {
            guard let descriptor = socket?.descriptor else { return }
            if hard { Platform.resetOnClose(descriptor) }
            socket = nil
        }

        func goSilent() {
            isSilent = true
            if let descriptor = socket?.descriptor { EventLoop.unwatch(descriptor) }
        }

        /// Sends bytes past the session.
        func send(raw bytes: [UInt8]) {
            output += bytes
            flush()
        }

        private func socketIsReady(_ readiness: EventLoop.Readiness) {
            if readiness.canRead { read() }
            if readiness.canWrite { flush() }
        }

        private func read() {
            var buffer = [UInt8](repeating: 0, count: 64 << 10)
            let count = try? buffer.withUnsafeMutableBytes { try socket?.receive(into: $0) ?? -1 }
            guard let count, count != 0 else { return close() }
            if count < 0 { return }
            receivedCount += count
            switch behavior {
            case .http2(_, let script):
                do { try session?.receive(buffer[..<count]) } catch { return close() }
                for (exchange, event) in session?.takeEvents() ?? [] { script(self, exchange, event) }
                flush()
            case .bytes(let bytes):
                if receivedCount == count { send(raw: bytes) }
            case .hangUp:
                close()
            case .silent:
                break
            }
        }

        /// Sends what there is to send, until the socket is full.
        func flush() {
            guard let descriptor = socket?.descriptor, !isSilent else { return }
            do {
                output += try session?.takeOutput() ?? []
                let sent = try output.withUnsafeBytes { bytes throws(SystemError) in try socket?.send(bytes) ?? 0 }
                output.removeFirst(sent)
                EventLoop.setInterest(of: descriptor, read: true, write: !output.isEmpty)
            } catch {
                close()
            }
        }
    }
}
