// SPDX-License-Identifier: Apache-2.0

/// A connected socket, and the TLS on it if there is any: moves what can be moved now, and never waits.
@EventLoop
struct SecurableSocket: ~Copyable {
    /// More is not received, encrypted or decrypted at once.
    static let chunkSize = 64 << 10
    /// How often one socket sends or receives before others get their turn.
    private static let rounds = 16

    private let socket: Socket
    private(set) var tls: TLSSession?
    /// The bytes that the kernel has not taken yet.
    private var output: ArraySlice<UInt8> = []
    private var hasFinished = false

    init(_ socket: consuming Socket, tls: TLSSession?) {
        self.socket = socket
        self.tls = tls
    }

    var descriptor: Int32 { socket.descriptor }

    /// Plain bytes can be moved.
    var isReady: Bool { tls?.isEstablished ?? true }

    var hasOutput: Bool { !output.isEmpty }

    /// Starts TLS, from the next byte on.
    mutating func begin(_ session: TLSSession) {
        tls = session
    }

    /// Continues the handshake until ``isReady``, or until the peer must respond.
    mutating func shakeHands() throws(ByteStreamError) {
        guard let tls else { return }
        var sendError: ByteStreamError?
        for _ in 0..<Self.rounds where !tls.isEstablished {
            do throws(ByteStreamError) { _ = try flush() } catch { sendError = error }
            // The peer may have sent the reason before it closed the connection.
            guard let input = try receiveRaw(Self.chunkSize) else { break }
            if input.isEmpty { throw ByteStreamError(.reset, "the peer hung up during the TLS handshake") }
            try feed(input, to: tls)
        }
        if let sendError { throw sendError }
        // The last message of a handshake may be this side's.
        _ = try flush()
    }

    /// Sends the beginning of `rest`, and takes it away.
    ///
    /// - Returns: The kernel has taken all.
    mutating func send(_ rest: inout ArraySlice<UInt8>) throws(ByteStreamError) -> Bool {
        for _ in 0..<Self.rounds {
            guard try flush() else { return false }
            if rest.isEmpty { return true }
            if let tls {
                let chunk = Array(rest.prefix(Self.chunkSize))
                do throws(TLSError) { try tls.send(chunk) } catch { throw ByteStreamError(error) }
                rest = rest.dropFirst(chunk.count)
            } else {
                (output, rest) = (rest, [])
            }
        }
        return false
    }

    /// Tells the peer that nothing more will be sent.
    ///
    /// - Returns: The kernel knows it.
    mutating func finish() throws(ByteStreamError) -> Bool {
        if !hasFinished { tls?.finish() }
        hasFinished = true
        guard try flush() else { return false }
        Platform.shutdownWrites(descriptor)
        return true
    }

    /// Sends the output of TLS, and what is left from before.
    ///
    /// - Returns: Nothing is left.
    mutating func flush() throws(ByteStreamError) -> Bool {
        takeTLSOutput()
        do throws(SystemError) {
            while !output.isEmpty {
                let count = try output.withUnsafeBufferPointer { bytes throws(SystemError) in
                    try socket.send(UnsafeRawBufferPointer(bytes))
                }
                if count == 0 { return false }
                output = output.dropFirst(count)
            }
        } catch {
            throw ByteStreamError(error)
        }
        // Gives the memory back.
        output = []
        return true
    }

    /// Forgets the bytes that the kernel has not taken.
    mutating func dropOutput() {
        output = []
    }

    /// Receives plain bytes: nil when there are none yet, none at the end of the stream.
    mutating func receive(_ limit: Int) throws(ByteStreamError) -> [UInt8]? {
        guard let tls else { return try receiveRaw(limit) }
        for _ in 0..<Self.rounds {
            if let bytes = try decrypt(limit, tls) { return bytes }
            guard let input = try receiveRaw(Self.chunkSize) else { return nil }
            if input.isEmpty { throw ByteStreamError(.reset, "the connection ended in the middle of TLS") }
            try feed(input, to: tls)
        }
        return try decrypt(limit, tls)
    }

    private mutating func decrypt(_ limit: Int, _ tls: TLSSession) throws(ByteStreamError) -> [UInt8]? {
        do throws(TLSError) {
            let bytes = try Self.filled(limit) { (buffer) throws(TLSError) in try tls.read(into: buffer) }
            // Some messages of the peer ask for an answer.
            takeTLSOutput()
            if output.count > 4 * Self.chunkSize {
                throw TLSError(.protocolViolation, "the peer asks for much and takes nothing")
            }
            return bytes
        } catch {
            throw ByteStreamError(error)
        }
    }

    private func feed(_ input: [UInt8], to tls: TLSSession) throws(ByteStreamError) {
        do throws(TLSError) {
            try input.withUnsafeBufferPointer { bytes throws(TLSError) in
                try tls.receive(UnsafeRawBufferPointer(bytes))
            }
        } catch {
            throw ByteStreamError(error)
        }
    }

    private func receiveRaw(_ limit: Int) throws(ByteStreamError) -> [UInt8]? {
        do throws(SystemError) {
            return try Self.filled(limit) { (buffer) throws(SystemError) in try socket.receive(into: buffer) }
        } catch {
            throw ByteStreamError(error)
        }
    }

    private mutating func takeTLSOutput() {
        guard let tls else { return }
        var encrypted: [UInt8] = []
        tls.takeOutput(into: &encrypted)
        if output.isEmpty { output = encrypted[...] } else { output += encrypted }
    }

    /// The bytes that `fill` has put into a buffer of `limit` bytes, no longer than they are; nil if it returns nil.
    private static func filled<Failure: Error>(
        _ limit: Int,
        _ fill: (UnsafeMutableRawBufferPointer) throws(Failure) -> Int?
    ) throws(Failure) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: limit)
        let count = try bytes.withUnsafeMutableBufferPointer { buffer throws(Failure) in
            try fill(UnsafeMutableRawBufferPointer(buffer))
        }
        return count.map { $0 == limit ? bytes : Array(bytes.prefix($0)) }
    }
}
