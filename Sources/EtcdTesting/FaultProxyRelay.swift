// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The part of a ``FaultProxy`` on the event loop: its listener, its connections, and its faults.
@EventLoop
final class FaultProxyRelay {
    nonisolated let endpoint: String
    /// Selects the faults of a new connection by its client, instead of the common ones; nil refuses the connection.
    ///
    /// It is called after the server has accepted the connection, because it costs too much to find the client for each
    /// attempt to reach a server that is down.
    var chooseLanes: LaneChoice?

    private let address: SocketAddress
    private let target: [SocketAddress]
    private let ports: LoopbackPorts
    private let lanes = FaultProxyLanes()
    private var listener: Socket?
    private var connections: [ObjectIdentifier: FaultProxyConnection] = [:]
    private var acceptedConnections = 0
    private var isStopped = false

    static func start(to target: Endpoint) async throws -> FaultProxyRelay {
        do {
            let addresses = try await HostResolver.system.addresses(of: target.host, port: target.port)
            let ports = try LoopbackPorts(count: 1)
            let own = Platform.addresses(of: "127.0.0.1", port: ports.numbers[0], numeric: true)
            let relay = try FaultProxyRelay(listeningOn: own.get()[0], ports, target: addresses)
            do {
                try relay.listen()
            } catch {
                // If this system does not let us listen on a reserved port, do not reserve it.
                ports.release()
                try relay.listen()
            }
            return relay
        } catch let error as SocketAddress.LookupError {
            throw EtcdTestingError(code: .system, message: error.description)
        }
    }

    private init(listeningOn address: SocketAddress, _ ports: LoopbackPorts, target: [SocketAddress]) {
        self.address = address
        self.ports = ports
        self.target = target
        endpoint = "127.0.0.1:\(ports.numbers[0])"
    }

    var counters: FaultProxy.Counters {
        FaultProxy.Counters(
            acceptedConnections: acceptedConnections,
            openConnections: connections.count,
            bytesToServer: lanes.toServer.bytesPassed,
            bytesToClient: lanes.toClient.bytesPassed
        )
    }

    // MARK: Faults

    /// Changes the faults of a direction, and applies them to the connections.
    func set(
        _ direction: FaultProxy.Direction,
        on lanes: FaultProxyLanes? = nil,
        _ change: @EventLoop (FaultProxyLane) -> Void
    ) {
        let lanes = lanes ?? self.lanes
        if direction.contains(.toServer) { change(lanes.toServer) }
        if direction.contains(.toClient) { change(lanes.toClient) }
        for connection in connections.values { connection.pump() }
    }

    /// Closes all connections, or those on `lanes`.
    func close(_ ending: FaultProxyEnding, on lanes: FaultProxyLanes? = nil) {
        for connection in connections.values where lanes == nil || connection.lanes === lanes {
            connection.close(ending)
        }
    }

    func stop() {
        isStopped = true
        stopListening()
        close(.orderly)
        ports.release()
    }

    // MARK: Listening

    func listen() throws {
        if isStopped { throw EtcdTestingError(code: .stopped, message: "the proxy has been stopped") }
        if listener != nil { return }
        do throws(SystemError) {
            let socket = try Socket.listening(on: address)
            EventLoop.watch(socket.descriptor) { [weak self] _ in self?.accept() }
            listener = consume socket
        } catch {
            throw EtcdTestingError(code: .system, message: "cannot listen on \(endpoint): \(error)")
        }
    }

    func stopListening() {
        if let descriptor = listener?.descriptor { Platform.stopListening(descriptor) }
        listener = nil
    }

    private func accept() {
        do throws(SystemError) {
            while let descriptor = try listener?.acceptConnection() {
                acceptedConnections += 1
                let socket = Socket(adopting: descriptor)
                let connection = FaultProxyConnection(
                    from: socket,
                    to: target,
                    relay: self,
                    chooseLanes: chooseLanes ?? { [lanes] _, take in take(lanes) }
                )
                connections[ObjectIdentifier(connection)] = connection
                connection.connect()
            }
        } catch {
            // This process has no free descriptor: try again when others may have been closed.
            guard let descriptor = listener?.descriptor else { return }
            EventLoop.setInterest(of: descriptor, read: false, write: false)
            _ = EventLoop.schedule(at: .now + .milliseconds(50)) { [weak self] in
                guard let descriptor = self?.listener?.descriptor else { return }
                EventLoop.setInterest(of: descriptor, read: true, write: false)
            }
        }
    }

    func forget(_ connection: FaultProxyConnection) {
        connections[ObjectIdentifier(connection)] = nil
    }
}
