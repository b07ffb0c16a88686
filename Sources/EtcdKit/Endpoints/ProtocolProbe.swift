// SPDX-License-Identifier: Apache-2.0

/// Finds out whether a server that closed the connection without a message speaks the other protocol: TLS where it was
/// not used, plaintext where TLS was.
///
/// A proxy that has lost its server behaves in the same way. So the probe opens a connection of its own, and sends the
/// first bytes of the other protocol and nothing else.
@EventLoop
final class ProtocolProbe {
    /// How HTTP/2 begins: the preface, and empty settings.
    private static let greeting = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]

    private let isSecure: Bool
    private let serverName: String
    private var race: AddressRace?
    private var socket: Socket?
    private var completion: (@EventLoop (ConnectionError?) -> Void)?

    /// Probes the server at `address`, which was contacted with TLS if `isSecure`.
    ///
    /// The completion gets the reason, or nil without an answer. It is not called if the probe is dropped.
    init(
        _ address: SocketAddress,
        isSecure: Bool,
        serverName: String,
        completion: @escaping @EventLoop (ConnectionError?) -> Void
    ) {
        self.isSecure = isSecure
        self.serverName = serverName
        self.completion = completion
        let race = AddressRace(
            [address],
            onWin: { [weak self] in self?.isConnected($0) },
            onDefeat: { [weak self] _ in self?.finish(nil) }
        )
        self.race = race
        EventLoop.atEndOfTurn { [weak self] in self?.race?.start() }
    }

    private func isConnected(_ socket: consuming Socket) {
        let descriptor = socket.descriptor
        self.socket = consume socket
        EventLoop.watch(descriptor) { [weak self] _ in self?.read() }
        EventLoop.setInterest(of: descriptor, read: true, write: false)
        do {
            var greeting = Self.greeting
            if !isSecure {
                greeting = []
                try TLSSession(TLSContext(TLSMaterial(skipsVerification: true)), serverName: serverName)
                    .takeOutput(into: &greeting)
            }
            // It fits the buffer of a new socket.
            _ = try greeting.withUnsafeBytes { bytes throws(SystemError) in try self.socket?.send(bytes) ?? 0 }
        } catch {
            finish(nil)
        }
    }

    private func read() {
        var finding: ConnectionError?
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { buffer in
            guard let count = try? socket?.receive(into: buffer), count > 0 else { return }
            let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            finding =
                isSecure
                ? TLSFailure.unexpectedGreeting(bytes, of: .server(name: serverName)).map { ConnectionError($0) }
                : ConnectionError(unexpectedGreeting: bytes)
        }
        finish(finding)
    }

    private func finish(_ finding: ConnectionError?) {
        race?.stop()
        race = nil
        socket = nil
        let completion = completion
        self.completion = nil
        completion?(finding)
    }
}
