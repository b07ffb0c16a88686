// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// Reserved TCP ports of 127.0.0.1.
///
/// The system chooses them. Where it allows a server to listen on a port that another socket is bound to (Linux), the
/// sockets stay bound while the reservation lives. So no other process can take the port of a killed member before its
/// restart, and a client that connects to it is refused: a connection to a port that is free *and* in the range of
/// outgoing ports can connect a socket to itself.
final class LoopbackPorts: Sendable {
    let numbers: [UInt16]
    private let sockets: Lock<[CInt]>

    init(count: Int) throws {
        var bound: [(socket: CInt, port: UInt16)] = []
        do {
            for _ in 0..<count { bound.append(try Self.bindAnyPort()) }
        } catch {
            for each in bound { close(each.socket) }
            throw error
        }
        numbers = bound.map(\.port)
        sockets = Lock(bound.map(\.socket))
        if !POSIX.canListenOnBoundPort { release() }
    }

    deinit { release() }

    /// Releases the ports; their numbers remain known.
    func release() {
        for socket in sockets.withLock({ sockets in
            defer { sockets = [] }; return sockets
        }) { close(socket) }
    }

    private static func bindAnyPort() throws -> (socket: CInt, port: UInt16) {
        let socket = try POSIX.tcpSocket()
        let bound = POSIX.withLoopbackAddress(port: 0) { address, size in
            bind(socket, address, size) == 0 && getsockname(socket, address, &size) == 0
        }
        guard bound.result else {
            defer { close(socket) }
            throw EtcdTestingError.system("cannot bind a port of 127.0.0.1", errno)
        }
        // Set after the bind: it lets etcd share the port, but does not let the system assign it twice.
        var on: CInt = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        return (socket, bound.port)
    }
}
