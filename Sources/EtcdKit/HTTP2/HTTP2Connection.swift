// SPDX-License-Identifier: Apache-2.0

/// One HTTP/2 connection over one socket: used once, from its first byte to its end.
///
/// TLS, if there is any, stands between the socket and the session: ``readFromSocket()`` decrypts, ``fillOutput()``
/// encrypts.
@EventLoop
final class HTTP2Connection: LoopTask {
    struct Options: Sendable {
        var session = HTTP2Session.Settings()
        /// How long a connection with open streams may be silent before it is pinged.
        var pingInterval: Duration = .seconds(10)
        /// How long the answer to a ping may take.
        var pingTimeout: Duration = .seconds(5)
    }

    enum State {
        /// Waiting for the peer's settings.
        case handshaking
        case open
        /// Open streams go on; new ones are refused, for this reason.
        case draining(ConnectionError)
        case closed(ConnectionError)
    }

    /// How long the answer to a ping waits for something else to be sent.
    ///
    /// gRPC in Go pings with each answer, to measure how fast the connection is. So a call and the answer to the ping of
    /// the call before leave in one piece.
    private static let pingAnswerDelay = Duration.milliseconds(2)
    /// Bytes buffered for the socket before nghttp2 is asked for more.
    private static let outputLimit = 256 << 10
    /// One for all connections, as what one has received is taken in before another is read.
    private static let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    private(set) var state = State.handshaking
    /// Called after every change of ``state``.
    var onStateChange: (@EventLoop (HTTP2Connection) -> Void)?

    private let options: Options
    private let session: HTTP2Session
    private let tls: TLSSession?
    private var socket: Socket?
    private var output: [UInt8] = []
    private var outputStart = 0
    /// What TLS is about to encrypt.
    private var plaintext: [UInt8] = []
    private var isFlushScheduled = false
    private var isPingAnswerScheduled = false
    private var hasReceived = false
    private var keepalive: EventLoop.Timer?
    let opened = ContinuousClock.now
    private(set) var lastReceived = MonotonicInstant.now
    private var pingSent: ContinuousClock.Instant?

    /// Starts to speak HTTP/2 on a connected socket, within `tls` if there is one.
    init(_ socket: consuming Socket, options: Options, tls: TLSSession? = nil) throws(HTTP2Error) {
        self.options = options
        self.tls = tls
        session = try HTTP2Session(settings: options.session)
        let descriptor = socket.descriptor
        self.socket = consume socket
        EventLoop.watch(descriptor) { [weak self] in self?.socketIsReady($0) }
        scheduleFlush()
    }

    var openStreamCount: Int { session.streams.count }
    /// How many of the open streams are calls with one answer.
    var callCount = 0

    /// The connection is protected by TLS.
    var isSecure: Bool { tls != nil }

    /// The server has answered a request on this connection.
    var hasAnswered: Bool { session.hasAnswered }

    /// The server takes the pings for abuse.
    var isPingedTooOften: Bool { session.goAway?.code == .enhanceYourCalm }

    // MARK: Streams

    /// Opens a stream; its handler is told from the next turn of the loop on, and the last time when it has ended.
    func open(
        _ headers: HTTP2RequestHeaders,
        body: [UInt8],
        endStream: Bool,
        window: HTTP2Stream.Window = .automatic,
        handler: any HTTP2StreamHandler
    ) throws(ConnectionError) -> HTTP2Stream {
        switch state {
        case .handshaking, .open: break
        case .draining(let error), .closed(let error): throw error
        }
        do {
            let stream = try session.open(headers, body: body, endStream: endStream, window: window)
            stream.handler = handler
            scheduleFlush()
            scheduleKeepalive()
            return stream
        } catch {
            // The session is out of stream numbers (after a billion calls) or memory: a new connection has both.
            let error = ConnectionError(.draining, error.message)
            EventLoop.execute { self.drain(error) }
            throw error
        }
    }

    func send(_ bytes: [UInt8], endStream: Bool, on stream: HTTP2Stream) {
        guard stream.ending == nil else { return }
        session.send(bytes, endStream: endStream, on: stream)
        scheduleFlush()
    }

    /// Lets the peer send `count` more bytes on a stream with a manual window; an automatic one needs no help.
    func consume(_ count: Int, on stream: HTTP2Stream) {
        guard stream.window == .manual, stream.ending == nil else { return }
        session.consume(count, on: stream)
        scheduleFlush()
    }

    /// Lets the peer be `size` bytes ahead on a stream with a manual window; see ``HTTP2Session/setWindow(of:to:)``.
    func setWindow(of stream: HTTP2Stream, to size: Int) {
        guard stream.window == .manual, stream.ending == nil else { return }
        session.setWindow(of: stream, to: size)
        scheduleFlush()
    }

    /// Ends `stream` now, without telling its handler.
    func reset(_ stream: HTTP2Stream, _ code: HTTP2ErrorCode = .cancel) {
        guard stream.ending == nil else { return }
        stream.handler = nil
        session.reset(stream, code)
        scheduleFlush()
        closeIfDrained()
    }

    // MARK: Ending

    /// Refuses new streams and closes the connection when the open ones are done.
    func drain(_ reason: ConnectionError) {
        switch state {
        case .handshaking, .open:
            state = .draining(reason)
            onStateChange?(self)
            closeIfDrained()
        case .draining, .closed:
            break
        }
    }

    /// Closes the connection; streams that are still open end with a failure.
    func close(_ error: ConnectionError) {
        if case .closed = state { return }
        // First, so that nothing below closes it a second time or opens a stream on it.
        state = .closed(error)
        // The goodbye, or TLS's alert, is a courtesy: if it cannot be sent, the server sees the end of the connection.
        if case .closedByUs = error.kind {
            session.sendGoAway()
            try? flush()
            tls?.finish()
        }
        if tls != nil { try? flush() }
        socket = nil
        if let keepalive { EventLoop.cancel(keepalive) }
        onStateChange?(self)
        onStateChange = nil
        session.endAllStreams(error.message)
        deliver()
    }

    private var isDraining: Bool {
        if case .draining = state { true } else { false }
    }

    private func closeIfDrained() {
        if case .draining(let reason) = state, session.streams.isEmpty {
            close(ConnectionError(.closedByUs, reason.message))
        }
    }

    // MARK: Socket

    private func socketIsReady(_ readiness: EventLoop.Readiness) {
        if readiness.canRead { readFromSocket() }
        if readiness.canWrite { scheduleFlush() }
    }

    private func readFromSocket() {
        if let failure = receiveFromSocket(Self.readBuffer) { return close(failure) }
        noteSessionState()
        if case .open = state, tls?.isEstablished ?? true, session.hasOnlyPingsToAnswer {
            schedulePingAnswer()
        } else {
            scheduleFlush()
        }
    }

    private func receiveFromSocket(_ buffer: UnsafeMutableRawBufferPointer) -> ConnectionError? {
        // A few rounds, so that one busy connection does not hold up the others.
        for _ in 0..<16 {
            if socket == nil { return nil }
            do {
                guard let count = try socket?.receive(into: buffer) else { return nil }
                if count == 0 { return closedByServer(.lost) }
                let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
                noteSignOfLife()
                if let tls {
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

    private func schedulePingAnswer() {
        if isFlushScheduled || isPingAnswerScheduled { return }
        isPingAnswerScheduled = true
        _ = EventLoop.schedule(at: (EventLoop.turnTime + Self.pingAnswerDelay).instant) { [weak self] in
            self?.isPingAnswerScheduled = false
            self?.scheduleFlush()
        }
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
        while socket != nil, let count = try tls.read(into: buffer) {
            if count == 0 { return closedByServer(.lost) }
            if let error = try receive(UnsafeRawBufferPointer(rebasing: buffer[..<count])) { return error }
        }
        return nil
    }

    /// Tells the handlers of all streams on which something was recorded.
    private func deliver() {
        for stream in session.takeTouchedStreams() {
            guard let handler = stream.handler else { continue }
            if stream.ending != nil { stream.handler = nil }
            handler.streamDidProgress(stream)
        }
    }

    private func noteSessionState() {
        if case .handshaking = state, session.hasPeerSettings {
            state = .open
            onStateChange?(self)
        }
        if let goAway = session.goAway {
            if goAway.code != .noError && session.streams.isEmpty { return close(closedByServer(.lost)) }
            drain(closedByServer(.draining))
        }
        closeIfDrained()
    }

    /// What it means that the server closes the connection, with its reason if it has given one.
    private func closedByServer(_ kind: ConnectionError.Kind) -> ConnectionError {
        if let hint { return ConnectionError(.unanswered, "the server closed the connection \(hint)") }
        guard let goAway = session.goAway, goAway.code != .noError else {
            return ConnectionError(kind, "the server closed the connection")
        }
        let text = goAway.debugData.isEmpty ? "" : " (\(goAway.debugData))"
        return ConnectionError(kind, "the server closed the connection: \(goAway.code)\(text)")
    }

    private func lost(_ error: SystemError) -> ConnectionError {
        if let hint { return ConnectionError(.unanswered, "\(error) \(hint)") }
        return ConnectionError(.lost, error.description)
    }

    /// What may be wrong when the connection breaks so early.
    private var hint: String? {
        switch tls {
        case let tls? where !tls.isEstablished: "during the TLS handshake; if it does not speak TLS, use http://"
        case nil where !hasReceived: "without a word; if it speaks TLS, use https://"
        default: nil
        }
    }

    private func scheduleFlush() {
        if isFlushScheduled { return }
        if case .closed = state { return }
        isFlushScheduled = true
        EventLoop.atEndOfTurn(self)
    }

    /// Ends a turn in which there was something to send.
    ///
    /// Only sends at once, since the loop may be borrowed: all that follows runs on the loop's thread.
    func run() {
        isFlushScheduled = false
        var failure: (any Error)?
        do { try flush() } catch { failure = error }
        // Streams that could not be sent, after a GOAWAY for one, are recorded while sending.
        if failure != nil || session.hasTouchedStreams || session.isFinished || isDraining {
            EventLoop.execute { self.settle(failure) }
        }
    }

    private func settle(_ failure: (any Error)?) {
        switch failure {
        case nil:
            deliver()
            closeIfDrained()
            if session.isFinished { close(ConnectionError(.protocolViolation, "the server broke the HTTP/2 protocol")) }
        case let error as TLSError:
            close(ConnectionError(error))
        case let error as SystemError:
            // The server may have said why before it hung up.
            if tls != nil, case .handshaking = state { readFromSocket() }
            close(lost(error))
        case let error?:
            close(ConnectionError(.protocolViolation, "HTTP/2: \(error)"))
        }
    }

    /// Sends what there is to send, until the socket is full.
    private func flush() throws {
        while let descriptor = socket?.descriptor {
            if outputStart == output.count {
                output.removeAll(keepingCapacity: output.capacity <= Self.outputLimit * 2)
                outputStart = 0
                try fillOutput()
                if output.isEmpty { return EventLoop.setInterest(of: descriptor, read: true, write: false) }
            }
            outputStart += try output.withUnsafeBytes { bytes throws(SystemError) in
                try socket?.send(UnsafeRawBufferPointer(rebasing: bytes[outputStart...])) ?? 0
            }
            if outputStart < output.count { return EventLoop.setInterest(of: descriptor, read: true, write: true) }
        }
    }

    /// Gets the next bytes for the socket from the session, through TLS if there is any.
    private func fillOutput() throws {
        guard let tls else { return try session.send(into: &output, limit: Self.outputLimit) }
        if tls.isEstablished {
            plaintext.removeAll(keepingCapacity: plaintext.capacity <= Self.outputLimit * 2)
            try session.send(into: &plaintext, limit: Self.outputLimit)
            try tls.send(plaintext)
        }
        tls.takeOutput(into: &output)
    }

    // MARK: Keepalive

    /// Pings the peer while there are open streams and nothing comes from it.
    private func scheduleKeepalive() {
        guard keepalive == nil else { return }
        let due = pingSent.map { $0 + options.pingTimeout } ?? lastReceived.instant + options.pingInterval
        keepalive = EventLoop.schedule(at: due) { [weak self] in
            guard let self else { return }
            keepalive = nil
            checkKeepalive()
        }
    }

    private func checkKeepalive() {
        if pingSent != nil {
            return close(ConnectionError(.silent, "no answer to a ping within \(options.pingTimeout)"))
        }
        // A connection without streams is left alone: servers count pings on it as abuse.
        if session.streams.isEmpty { return }
        if .now >= lastReceived + options.pingInterval {
            session.ping()
            pingSent = .now
            scheduleFlush()
        }
        scheduleKeepalive()
    }

    /// Whatever the peer sends answers a ping too.
    private func noteSignOfLife() {
        lastReceived = EventLoop.turnTime
        guard pingSent != nil else { return }
        pingSent = nil
        if let keepalive { EventLoop.cancel(keepalive) }
        keepalive = nil
        scheduleKeepalive()
    }
}
