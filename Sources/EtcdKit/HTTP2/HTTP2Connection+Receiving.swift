// SPDX-License-Identifier: Apache-2.0

extension HTTP2Connection {
    /// Receives from the socket.
    ///
    /// - Returns: Why the connection has ended, if it has.
    func receiveFromSocket(into buffer: UnsafeMutableRawBufferPointer) -> ConnectionError? {
        // A few rounds, so that one busy connection does not delay the others.
        for _ in 0..<16 {
            do {
                guard let count = try socket.receive(into: buffer) else { return nil }
                if count == 0 { return closedByServer(.lost) }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                noteSignOfLife()
                if let tls = socket.tls {
                    if let error = try receive(bytes, through: tls, buffer) { return error }
                } else if let error = try receive(bytes) {
                    return error
                }
                if count < buffer.count { return nil }
            } catch let error as TLSError {
                return ConnectionError(error)
            } catch let error as SystemError {
                return lost(error)
            } catch {
                return ConnectionError(.protocolViolation, "HTTP/2: \(error)")
            }
        }
        return nil
    }

    /// Takes plain bytes.
    private func receive(_ bytes: UnsafeRawBufferPointer) throws -> ConnectionError? {
        if !hasReceived {
            hasReceived = true
            if let error = ConnectionError(unexpectedGreeting: bytes) { return error }
        }
        try session.receive(bytes)
        deliver()
        return nil
    }

    /// Takes encrypted bytes; what they hold is decrypted into `buffer`, which they may themselves lie in.
    private func receive(
        _ bytes: UnsafeRawBufferPointer,
        through tls: TLSSession,
        _ buffer: UnsafeMutableRawBufferPointer
    ) throws -> ConnectionError? {
        try tls.receive(bytes)
        while socket.isOpen, let count = try tls.read(into: buffer) {
            if count == 0 { return closedByServer(.lost) }
            if let error = try receive(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { return error }
        }
        return nil
    }

    func closedByServer(_ kind: ConnectionError.Kind) -> ConnectionError {
        ConnectionError(closedByServer: kind, session.goAway, hint: hint)
    }

    func lost(_ error: SystemError) -> ConnectionError {
        if let hint { return ConnectionError(.unanswered, "\(error) \(hint)") }
        return ConnectionError(.lost, error.description)
    }

    /// The likely cause when the connection breaks so early.
    private var hint: String? {
        if !socket.isReady { return "during the TLS handshake; if it does not speak TLS, use http://" }
        return hasReceived || isSecure ? nil : "without a word; if it speaks TLS, use https://"
    }
}
