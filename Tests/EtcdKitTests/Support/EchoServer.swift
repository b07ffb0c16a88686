// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

/// A server of 127.0.0.1 that sends back what it gets, and ends its side when the client has.
@EventLoop
final class EchoServer {
    let endpoint: String
    /// All connections that were accepted, in their order.
    private(set) var connections: [RawConnection] = []
    private var isEchoing = true
    private var listener: Socket?

    init(port: UInt16 = 0) throws {
        let listener = try Socket.listening(on: loopback(port: port))
        endpoint = "127.0.0.1:\(try listener.localPort())"
        let descriptor = listener.descriptor
        self.listener = consume listener
        EventLoop.watch(descriptor) { [weak self] _ in self?.accept() }
    }

    /// Sends everything back, or nothing.
    func setEchoing(_ isEchoing: Bool) {
        self.isEchoing = isEchoing
    }

    func closeConnections() {
        for connection in connections { connection.close() }
    }

    func close() {
        listener = nil
        closeConnections()
    }

    private func accept() {
        while let descriptor = try? listener?.acceptConnection() {
            let connection = RawConnection(Socket(adopting: descriptor))
            connections.append(connection)
            connection.onReceive = { [weak self, weak connection] bytes in
                guard let self, isEchoing, let connection else { return }
                connection.send(bytes)
                if connection.ending == .orderly { connection.finish() }
            }
        }
    }
}

/// Lends a proxy before an echo server.
func withProxiedEcho(_ body: (FaultProxy, EchoServer) async throws -> Void) async throws {
    let server = try await EchoServer()
    try await withFaultProxy(to: server.endpoint) { try await body($0, server) }
    await server.close()
}

/// Connects through the proxy, and returns both ends.
func connect(
    _ proxy: FaultProxy,
    _ server: EchoServer
) async throws -> (client: RawConnection, server: RawConnection) {
    let count = await server.connections.count
    let client = try await RawConnection.connect(to: proxy.endpoint)
    try await eventually("the server accepts") { await server.connections.count > count }
    return (client, try #require(await server.connections.last))
}

/// The control of every fault: bytes go there and back on a new connection.
func expectEcho(through proxy: FaultProxy) async throws {
    let client = try await RawConnection.connect(to: proxy.endpoint)
    await client.send(Array("hello".utf8))
    try await eventually("the echo arrives") { await client.received == Array("hello".utf8) }
    await client.close()
}
