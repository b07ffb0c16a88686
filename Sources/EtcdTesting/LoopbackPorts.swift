// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// TCP ports of 127.0.0.1 that nobody else uses.
///
/// The system picks them. Where it allows a server to listen on a port that another socket is bound to (Linux), the
/// sockets stay bound for as long as the reservation lives. A killed member's port then cannot be taken by somebody
/// else before the restart, and a client that dials it is refused: dialing a port that is free *and* in the range of
/// outgoing ports now and then connects a socket to itself.
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

    /// Gives up the hold on the ports; their numbers remain known.
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
        // Set after the bind: it lets etcd share the port, and does not let the system give it out twice.
        var on: CInt = 1
        setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        return (socket, bound.port)
    }
}
