// SPDX-License-Identifier: Apache-2.0

/// The socket of an HTTP/2 connection, within TLS if there is any.
@EventLoop
final class HTTP2Socket {
    /// Bytes buffered for the socket before the session is asked for more.
    private static let outputLimit = 256 << 10

    let tls: TLSSession?
    private var socket: Socket?
    private var output: [UInt8] = []
    private var outputStart = 0
    /// The bytes that TLS is about to encrypt.
    private var plaintext: [UInt8] = []

    init(_ socket: consuming Socket, _ tls: TLSSession?) {
        self.socket = consume socket
        self.tls = tls
    }

    var isOpen: Bool { socket != nil }

    /// The handshake of TLS is done, if there is any.
    var isReady: Bool { tls?.isEstablished ?? true }

    func close() { socket = nil }

    /// Receives bytes, which may be encrypted: nil when there are none, 0 at the end of the connection.
    func receive(into buffer: UnsafeMutableRawBufferPointer) throws(SystemError) -> Int? {
        try socket?.receive(into: buffer)
    }

    /// Sends what the session has to send, until the socket is full.
    func flush(_ session: HTTP2Session) throws {
        while let descriptor = socket?.descriptor {
            if outputStart == output.count {
                output.removeAll(keepingCapacity: output.capacity <= Self.outputLimit * 2)
                outputStart = 0
                try fillOutput(from: session)
                if output.isEmpty { return EventLoop.setInterest(of: descriptor, read: true, write: false) }
            }
            outputStart += try output.withUnsafeBytes { bytes throws(SystemError) in
                try socket?.send(UnsafeRawBufferPointer(rebasing: bytes[outputStart...])) ?? 0
            }
            if outputStart < output.count { return EventLoop.setInterest(of: descriptor, read: true, write: true) }
        }
    }

    private func fillOutput(from session: HTTP2Session) throws {
        guard let tls else { return try session.send(into: &output, limit: Self.outputLimit) }
        if tls.isEstablished {
            plaintext.removeAll(keepingCapacity: plaintext.capacity <= Self.outputLimit * 2)
            try session.send(into: &plaintext, limit: Self.outputLimit)
            try tls.send(plaintext)
        }
        tls.takeOutput(into: &output)
    }
}
