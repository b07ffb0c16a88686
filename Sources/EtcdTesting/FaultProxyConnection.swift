// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Finds the faults of the client of an accepted connection, and reports them; nil refuses the connection.
typealias LaneChoice =
    @EventLoop (
        _ descriptor: Int32,
        _ take: @escaping @EventLoop (FaultProxyLanes?) -> Void
    ) -> Void

/// A connection through a ``FaultProxy``: a socket to the client, a socket to the server, and a flow in each direction.
@EventLoop
final class FaultProxyConnection {
    private let client: FaultProxyPeer
    private let server = FaultProxyPeer()
    private var addresses: ArraySlice<SocketAddress>
    private let chooseLanes: LaneChoice
    /// The flows, once the server is connected.
    private var flows: (toServer: FaultProxyFlow, toClient: FaultProxyFlow)?
    private weak var relay: FaultProxyRelay?
    /// The faults that apply to it, once the server is connected.
    private(set) var lanes: FaultProxyLanes?

    /// Makes a connection of a client.
    ///
    /// `chooseLanes` selects its faults; nil refuses it.
    init(
        from socket: consuming Socket,
        to addresses: [SocketAddress],
        relay: FaultProxyRelay,
        chooseLanes: @escaping LaneChoice
    ) {
        client = FaultProxyPeer(socket)
        self.addresses = addresses[...]
        self.relay = relay
        self.chooseLanes = chooseLanes
    }

    /// Connects to the server.
    ///
    /// The client is not read before that.
    func connect() {
        guard let address = addresses.popFirst() else { return close(.reset) }
        do throws(SystemError) {
            server.adopt(try Socket.connecting(to: address))
            server.onReady = { [weak self] in self?.serverIsConnected() }
            server.setInterest(read: false, write: true)
        } catch {
            connect()
        }
    }

    private func serverIsConnected() {
        do throws(SystemError) {
            try server.connectResult()
        } catch {
            server.close(.reset)
            return connect()
        }
        // Neither side is read while it waits.
        server.setInterest(read: false, write: false)
        guard let descriptor = client.descriptor else { return }
        chooseLanes(descriptor) { [weak self] in self?.begin(on: $0) }
    }

    private func begin(on lanes: FaultProxyLanes?) {
        // Closed meanwhile.
        guard client.descriptor != nil else { return }
        guard let lanes else { return close(.reset) }
        self.lanes = lanes
        let toServer = FaultProxyFlow(from: client, to: server, lane: lanes.toServer)
        let toClient = FaultProxyFlow(from: server, to: client, lane: lanes.toClient)
        flows = (toServer, toClient)
        for peer in [client, server] { peer.onReady = { [weak self] in self?.pump() } }
        for flow in [toServer, toClient] { flow.onDue = { [weak self] in self?.pump() } }
        pump()
    }

    /// Passes on all data that can be passed on now, and waits for the rest.
    func pump() {
        guard let (toServer, toClient) = flows else { return }
        toServer.pump()
        if toServer.hasLostDestination { toClient.noteBrokenSource() }
        toClient.pump()
        if toClient.hasLostDestination { toServer.noteBrokenSource() }

        if toServer.isCut || toClient.isCut {
            relay?.close(.orderly)
        } else if toServer.ending == .reset || toClient.ending == .reset {
            close(.reset)
        } else if toServer.ending != nil && toClient.ending != nil {
            close(.orderly)
        } else {
            client.setInterest(read: toServer.wantsToRead, write: toClient.wantsToWrite)
            server.setInterest(read: toClient.wantsToRead, write: toServer.wantsToWrite)
        }
    }

    /// Closes the connection on both sides.
    func close(_ ending: FaultProxyEnding) {
        flows?.toServer.cancel()
        flows?.toClient.cancel()
        flows = nil
        client.close(ending)
        server.close(ending)
        relay?.forget(self)
    }
}

/// The way in which one side closes a connection.
enum FaultProxyEnding {
    /// With a FIN.
    case orderly
    /// With an RST.
    case reset
}

/// A socket of a ``FaultProxyConnection``.
@EventLoop
final class FaultProxyPeer {
    /// Called when the socket is ready.
    var onReady: (@EventLoop () -> Void)?
    private var socket: Socket?
    private var isWatched = false
    var descriptor: Int32? { socket?.descriptor }

    init() {}

    init(_ socket: consuming Socket) {
        self.socket = consume socket
    }

    func adopt(_ socket: consuming Socket) {
        self.socket = consume socket
    }

    /// Sets the events to wait for.
    ///
    /// Without any, the descriptor is not polled at all, because `poll` would report the end of the connection again
    /// and again.
    func setInterest(read: Bool, write: Bool) {
        guard let descriptor = socket?.descriptor else { return }
        let isWanted = read || write
        if isWanted && !isWatched { EventLoop.watch(descriptor) { [weak self] _ in self?.onReady?() } }
        if !isWanted && isWatched { EventLoop.unwatch(descriptor) }
        isWatched = isWanted
        EventLoop.setInterest(of: descriptor, read: read, write: write)
    }

    func connectResult() throws(SystemError) {
        try socket?.connectResult()
    }

    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        try socket?.receive(into: buffer)
    }

    func send(_ bytes: ArraySlice<UInt8>) throws -> Int {
        try bytes.withUnsafeBytes { try socket?.send($0) ?? 0 }
    }

    /// Tells the peer that no more data will come.
    func shutdownWrites() {
        if let descriptor = socket?.descriptor { Platform.shutdownWrites(descriptor) }
    }

    func close(_ ending: FaultProxyEnding) {
        guard let descriptor = socket?.descriptor else { return }
        setInterest(read: false, write: false)
        onReady = nil
        switch ending {
        case .reset:
            Platform.resetOnClose(descriptor)
        case .orderly:
            shutdownWrites()
            drain()
        }
        socket = nil
    }

    /// Reads the remaining data: to close a socket with unread data would cause a reset.
    private func drain() {
        withUnsafeTemporaryAllocation(byteCount: 64 << 10, alignment: 16) { buffer in
            // Bounded, for a peer that sends as fast as this reads.
            for _ in 0..<256 {
                guard let count = try? receive(into: buffer), count > 0 else { return }
            }
        }
    }
}
