// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Testing

/// A TCP connection without any protocol, for tests of what lies below HTTP/2.
///
/// It lives until the peer has ended it, or ``close()``.
@EventLoop
final class RawConnection {
    enum Ending {
        /// The peer sent a FIN.
        case orderly
        /// The peer sent an RST, or there was no connection.
        case reset
    }

    /// The bytes from the peer.
    private(set) var received: [UInt8] = []
    /// How the peer has ended the stream.
    private(set) var ending: Ending?
    /// The bytes for which the kernel has had no room yet.
    private(set) var unsentCount = 0
    /// Called with what has just been received, and with nothing at the end.
    var onReceive: (@EventLoop ([UInt8]) -> Void)?
    private var isReading = true
    private var isWatched = false
    private var socket: Socket?
    private var output: ArraySlice<UInt8> = []
    private var isFinishing = false
    /// A write has failed; the system reports that once, and an orderly end from then on.
    private var isBroken = false

    init(_ socket: consuming Socket) {
        self.socket = consume socket
        updateInterest()
    }

    /// Connects to `127.0.0.1:PORT`; a refusal shows as the ending `reset`.
    static func connect(to endpoint: String) throws -> RawConnection {
        try RawConnection(Socket.connecting(to: loopback(port: Endpoint(endpoint).port)))
    }

    func send(_ bytes: [UInt8]) {
        output += bytes
        unsentCount = output.count
        updateInterest()
    }

    /// Ends the own side of the stream, after the bytes.
    func finish() {
        isFinishing = true
        updateInterest()
    }

    /// Reads, or leaves bytes in the kernel.
    func setReading(_ isReading: Bool) {
        self.isReading = isReading
        updateInterest()
    }

    func reset() {
        if let descriptor = socket?.descriptor { Platform.resetOnClose(descriptor) }
        close()
    }

    func close() {
        socket = nil
        onReceive = nil
    }

    private func read() {
        guard isReading, ending == nil else { return }
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        do {
            guard let count = try chunk.withUnsafeMutableBytes({ try socket?.receive(into: $0) }) else { return }
            chunk.removeLast(chunk.count - count)
            if count == 0 { ending = isBroken ? .reset : .orderly }
        } catch {
            chunk = []
            ending = .reset
        }
        received += chunk
        onReceive?(chunk)
        updateInterest()
    }

    private func write() {
        // A failure shows when reading.
        do {
            output = output.dropFirst(try output.withUnsafeBytes { try socket?.send($0) ?? 0 })
        } catch {
            isBroken = true
            output = []
        }
        unsentCount = output.count
        if isFinishing, output.isEmpty, let descriptor = socket?.descriptor {
            isFinishing = false
            Platform.shutdownWrites(descriptor)
        }
        updateInterest()
    }

    /// Waits for what there is to do, and for nothing once that is done: `poll` would report the end over and over.
    private func updateInterest() {
        guard let descriptor = socket?.descriptor else { return }
        let reads = isReading && ending == nil
        let writes = ending != .reset && (!output.isEmpty || isFinishing)
        let isWanted = reads || writes
        if isWanted && !isWatched {
            EventLoop.watch(descriptor) { [self] readiness in
                if readiness.canRead { read() }
                if readiness.canWrite { write() }
            }
        }
        if !isWanted && isWatched { EventLoop.unwatch(descriptor) }
        isWatched = isWanted
        EventLoop.setInterest(of: descriptor, read: reads, write: writes)
    }
}

/// The address `127.0.0.1:PORT`.
func loopback(port: UInt16) throws -> SocketAddress {
    try Platform.addresses(of: "127.0.0.1", port: port, numeric: true).get()[0]
}
