// SPDX-License-Identifier: Apache-2.0

/// One HTTP/2 connection over one socket: used once, from its first byte to its end.
///
/// TLS, if there is any, stands between the socket and the session.
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
        /// Open streams continue; new ones are refused, for this reason.
        case draining(ConnectionError)
        case closed(ConnectionError)
    }

    /// How long the answer to a ping waits for something else to be sent.
    ///
    /// gRPC in Go sends a ping with each answer, to measure the bandwidth. So the answer to the ping of one call is
    /// sent together with the next call.
    private static let pingAnswerDelay = Duration.milliseconds(2)
    /// One for all connections, as the bytes of one connection are processed before another is read.
    private static let readBuffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 64 << 10, alignment: 16)

    private(set) var state = State.handshaking
    /// Called after every change of ``state``.
    var onStateChange: (@EventLoop (HTTP2Connection) -> Void)?

    let session: HTTP2Session
    let socket: HTTP2Socket
    private var isFlushScheduled = false
    private var isPingAnswerScheduled = false
    /// Plain bytes have come.
    var hasReceived = false
    private var keepalive: HTTP2Keepalive
    private var keepaliveTimer: EventLoop.Timer?
    let opened = ContinuousClock.now

    /// Starts to speak HTTP/2 on a connected socket, within `tls` if there is one.
    init(_ socket: consuming Socket, options: Options, tls: TLSSession? = nil) throws(HTTP2Error) {
        keepalive = HTTP2Keepalive(interval: options.pingInterval, timeout: options.pingTimeout, at: .now)
        session = try HTTP2Session(settings: options.session)
        let descriptor = socket.descriptor
        self.socket = HTTP2Socket(socket, tls)
        EventLoop.watch(descriptor) { [weak self] in self?.socketIsReady($0) }
        scheduleFlush()
    }

    var openStreamCount: Int { session.streams.count }
    /// How many of the open streams are calls with one answer.
    var callCount = 0

    /// The connection is protected by TLS.
    var isSecure: Bool { socket.tls != nil }

    /// When something has come from the server.
    var lastReceived: MonotonicInstant { keepalive.lastReceived }

    /// The server has answered a request on this connection.
    var hasAnswered: Bool { session.hasAnswered }

    /// The server treats the pings as abuse.
    var isPingedTooOften: Bool { session.goAway?.code == .enhanceYourCalm }

    // MARK: Streams

    /// Opens a stream; its handler is called from the next turn of the loop on, and the last time when it has ended.
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
        // The GOAWAY, or TLS's alert, is optional: if it cannot be sent, the server sees the end of the connection.
        if case .closedByUs = error.kind {
            session.sendGoAway()
            try? socket.flush(session)
            socket.tls?.finish()
        }
        if socket.tls != nil { try? socket.flush(session) }
        socket.close()
        if let keepaliveTimer { EventLoop.cancel(keepaliveTimer) }
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
        if let failure = receiveFromSocket(into: Self.readBuffer) { return close(failure) }
        noteSessionState()
        if case .open = state, socket.isReady, session.hasOnlyPingsToAnswer {
            schedulePingAnswer()
        } else {
            scheduleFlush()
        }
    }

    private func schedulePingAnswer() {
        if isFlushScheduled || isPingAnswerScheduled { return }
        isPingAnswerScheduled = true
        _ = EventLoop.schedule(atMonotonic: EventLoop.turnTime + Self.pingAnswerDelay) { [weak self] in
            self?.isPingAnswerScheduled = false
            self?.scheduleFlush()
        }
    }

    /// Tells the handlers of all streams on which something was recorded.
    func deliver() {
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

    private func scheduleFlush() {
        if isFlushScheduled { return }
        if case .closed = state { return }
        isFlushScheduled = true
        EventLoop.atEndOfTurn(self)
    }

    /// Ends a turn in which there was something to send.
    ///
    /// It only sends, since the loop may be borrowed: everything that follows runs on the loop's thread.
    func run() {
        isFlushScheduled = false
        var failure: (any Error)?
        do { try socket.flush(session) } catch { failure = error }
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
            // The server may have sent the reason before it closed the connection.
            if isSecure, case .handshaking = state { readFromSocket() }
            close(lost(error))
        case let error?:
            close(ConnectionError(.protocolViolation, "HTTP/2: \(error)"))
        }
    }

    // MARK: Keepalive

    /// Pings a silent peer while there are open streams.
    private func scheduleKeepalive() {
        guard keepaliveTimer == nil else { return }
        keepaliveTimer = EventLoop.schedule(atMonotonic: keepalive.due) { [weak self] in
            guard let self else { return }
            keepaliveTimer = nil
            checkKeepalive()
        }
    }

    private func checkKeepalive() {
        // A connection without streams is left alone: servers count pings on it as abuse.
        switch keepalive.check(at: .now, isInUse: !session.streams.isEmpty) {
        case .giveUp:
            return close(ConnectionError(.silent, "no answer to a ping within \(keepalive.timeout)"))
        case .rest:
            return
        case .ping:
            session.ping()
            scheduleFlush()
        case .wait:
            break
        }
        scheduleKeepalive()
    }

    func noteSignOfLife() {
        guard keepalive.noteSignOfLife(at: EventLoop.turnTime) else { return }
        if let keepaliveTimer { EventLoop.cancel(keepaliveTimer) }
        keepaliveTimer = nil
        scheduleKeepalive()
    }
}
