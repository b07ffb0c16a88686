// SPDX-License-Identifier: Apache-2.0

/// A stream of bytes to a peer and from it, over TCP or a unix socket, within TLS if there is any: for HTTP/1.1, SMTP and
/// the like.
///
/// One task may read while another one writes. Memory is bounded: bytes are received only when a task reads, and a write
/// returns when the kernel has taken all. When the last reference goes away, the connection is closed.
@EventLoop
package final class ByteStream {
    private struct Reader {
        let call: ByteStreamCall<[UInt8]>
        let limit: Int
    }

    private struct Writer {
        let call: ByteStreamCall<Void>
        /// The bytes that are neither encrypted nor sent.
        var rest: ArraySlice<UInt8>
        /// The stream ends after it.
        let isLast: Bool
    }

    /// The peer as `IP:PORT`, or the path of its unix socket.
    package nonisolated let remoteAddress: String
    private nonisolated let certificates = Lock<[PeerCertificate]>([])

    private var socket: SecurableSocket?
    private var isWatched = false
    /// The context source for the coming handshake of a server.
    private var contextSource: TLSContextSource?
    private var contextRequest: TLSContextSource.Request?
    private var reader: Reader?
    private var writer: Writer?
    private var handshakeCall: ByteStreamCall<Void>?
    /// Why nothing can be done any more.
    private var failure: ByteStreamError?
    /// Why nothing can be written any more.
    private var writeFailure: ByteStreamError?

    /// Takes over a connection; the TLS of a client has begun, that of a server comes from `contextSource`.
    init(
        _ socket: consuming Socket,
        tls: TLSSession? = nil,
        contextSource: TLSContextSource? = nil,
        remoteAddress: String
    ) {
        self.socket = SecurableSocket(socket, tls: tls)
        self.contextSource = contextSource
        self.remoteAddress = remoteAddress
    }

    /// The certificates that the peer has shown in the handshake, its own first; none without TLS.
    package nonisolated var peerCertificates: [PeerCertificate] { certificates.withLock { $0 } }

    // MARK: Calls

    /// Reads what there is, and waits if there is nothing.
    ///
    /// A read that is cancelled or takes too long loses nothing: the next one goes on.
    ///
    /// - Parameters:
    ///   - limit: The most to read, in bytes; more than 64 KiB are never read at once.
    ///   - deadline: Until when to wait; nil for ever.
    /// - Returns: At least one byte, or none at the end of the stream.
    /// - Throws: ``ByteStreamError``.
    package nonisolated func read(
        upTo limit: Int = 64 << 10,
        deadline: ContinuousClock.Instant? = nil
    ) async throws(ByteStreamError) -> [UInt8] {
        try await ByteStreamCall.run(until: deadline) { call in
            guard self.admits(call, isAlone: self.reader == nil) else { return }
            self.reader = Reader(call: call, limit: max(1, min(limit, SecurableSocket.chunkSize)))
            call.onEnd = {
                self.reader = nil
                self.updateInterest()
            }
            self.advance()
        }
    }

    /// Writes all of `bytes`, and returns when the kernel has taken them.
    ///
    /// After a write that fails, is cancelled or takes too long, nothing more can be written.
    package nonisolated func write(
        _ bytes: [UInt8],
        deadline: ContinuousClock.Instant? = nil
    ) async throws(ByteStreamError) {
        try await write(bytes, isLast: false, deadline)
    }

    /// Tells the peer that nothing more will be written; reading goes on.
    package nonisolated func shutdownWrites(deadline: ContinuousClock.Instant? = nil) async throws(ByteStreamError) {
        try await write([], isLast: true, deadline)
    }

    private nonisolated func write(
        _ bytes: [UInt8],
        isLast: Bool,
        _ deadline: ContinuousClock.Instant?
    ) async throws(ByteStreamError) {
        try await ByteStreamCall<Void>.run(until: deadline) { call in
            guard self.admits(call, isAlone: self.writer == nil) else { return }
            if let error = self.writeFailure { return call.complete(.failure(error)) }
            self.writer = Writer(call: call, rest: bytes[...], isLast: isLast)
            call.onEnd = {
                // A success has no writer any more: this one was given up in the middle.
                if self.writer != nil { self.breakWrites(ByteStreamError(.closed, "an earlier write was given up")) }
                self.updateInterest()
            }
            self.advance()
        }
    }

    /// Completes the TLS handshake, as the first read or write would do; does nothing if it is done, or without TLS.
    package nonisolated func handshake(deadline: ContinuousClock.Instant? = nil) async throws(ByteStreamError) {
        let timeoutMessage = { @EventLoop @Sendable in "the TLS handshake takes too long" }
        try await ByteStreamCall<Void>.run(until: deadline, timeoutMessage: timeoutMessage) { call in
            guard self.admits(call, isAlone: self.handshakeCall == nil) else { return }
            self.handshakeCall = call
            call.onEnd = {
                self.handshakeCall = nil
                self.updateInterest()
            }
            self.advance()
        }
    }

    /// Closes the stream at once; calls that wait end with an error of reason `closed`.
    package nonisolated func close() {
        EventLoop.execute {
            self.socket?.tls?.finish()
            self.end(ByteStreamError(.closed, "the stream was closed"))
        }
    }

    /// Starts TLS on a stream that has none and is at rest, on the context's side.
    func begin(_ context: TLSContext, serverName: String = "") throws(ByteStreamError) {
        if let failure { throw failure }
        guard socket?.tls == nil, contextSource == nil, reader == nil, writer == nil else {
            throw ByteStreamError(.misconfigured, "TLS can only begin on a stream without TLS that is at rest")
        }
        do throws(TLSError) {
            let isServer = context.role == .server
            socket?.begin(try isServer ? TLSSession(server: context) : TLSSession(context, serverName: serverName))
        } catch {
            throw ByteStreamError(error)
        }
    }

    private func admits<Value>(_ call: ByteStreamCall<Value>, isAlone: Bool) -> Bool {
        let error = isAlone ? failure : ByteStreamError(.misconfigured, "another task does the same on this stream")
        if let error { call.complete(.failure(error)) }
        return error == nil
    }

    // MARK: Progress

    private var isReady: Bool { contextSource == nil && socket?.isReady == true }

    /// Does what can be done now, and asks the loop for what is missing.
    private func advance() {
        do throws(ByteStreamError) {
            if !isReady { try shakeHands() }
            if isReady {
                handshakeCall?.complete(.success(()))
                do throws(ByteStreamError) { try moveOutput() } catch { breakWrites(error) }
                if let reader, let bytes = try socket?.receive(reader.limit) { reader.call.complete(.success(bytes)) }
            }
            updateInterest()
        } catch {
            end(error)
        }
    }

    private func shakeHands() throws(ByteStreamError) {
        if contextSource != nil { return askForContext() }
        try socket?.shakeHands()
        guard isReady, let shown = socket?.tls?.peerCertificates else { return }
        certificates.withLock { $0 = shown }
    }

    private func askForContext() {
        if contextRequest != nil { return }
        contextRequest = contextSource?.context { [weak self] answer in
            guard let self else { return }
            contextRequest = nil
            contextSource = nil
            do throws(TLSError) {
                socket?.begin(try TLSSession(server: answer.get()))
                advance()
            } catch {
                end(ByteStreamError(error))
            }
        }
    }

    private func moveOutput() throws(ByteStreamError) {
        guard var writer else {
            _ = try socket?.flush()
            return
        }
        self.writer?.rest = []
        var isDone = try socket?.send(&writer.rest) == true
        if isDone && writer.isLast { isDone = try socket?.finish() == true }
        self.writer = isDone ? nil : writer
        if isDone { writer.call.complete(.success(())) }
    }

    private func updateInterest() {
        guard let descriptor = socket?.descriptor else { return }
        let isWaiting = reader != nil || writer != nil || handshakeCall != nil
        let reads = isWaiting && contextSource == nil && (!isReady || reader != nil)
        let writes = isWaiting && (socket?.hasOutput == true || isReady && writer != nil)
        let isWanted = reads || writes
        // Even without events to wait for, `poll` would report the end of the connection over and over.
        if isWanted && !isWatched { EventLoop.watch(descriptor) { [weak self] _ in self?.advance() } }
        if !isWanted && isWatched { EventLoop.unwatch(descriptor) }
        isWatched = isWanted
        if isWanted { EventLoop.setInterest(of: descriptor, read: reads, write: writes) }
    }

    private func breakWrites(_ error: ByteStreamError) {
        let call = writer?.call
        writer = nil
        writeFailure = error
        socket?.dropOutput()
        call?.complete(.failure(error))
    }

    private func end(_ error: ByteStreamError) {
        if failure != nil { return }
        failure = error
        // TLS's alert is optional: if it cannot be sent, the peer sees the end of the connection.
        if socket?.tls != nil { _ = try? socket?.flush() }
        socket = nil
        contextRequest = nil
        handshakeCall?.complete(.failure(error))
        reader?.call.complete(.failure(error))
        writer?.call.complete(.failure(error))
    }
}
