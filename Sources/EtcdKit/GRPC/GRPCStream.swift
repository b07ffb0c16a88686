// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with a stream of answers, and of requests where the method takes them.
///
/// It hands on each answer as the bytes of its message and knows no message types, so its code is not generic.
@EventLoop
final class GRPCStream: HTTP2StreamHandler {
    /// Takes a message, whose bytes are there for the time of the call.
    ///
    /// It returns an error to end the stream.
    typealias MessageHandler = @EventLoop (UnsafeRawBufferPointer) -> ProtobufError?

    private let connection: HTTP2Connection
    /// Bytes of complete messages that are not consumed.
    private var unconsumedCount = 0
    /// Bytes for which a manual window was opened before they were consumed.
    private var creditedAhead = 0
    private var isDelivering = false
    private var deframer: GRPCDeframer
    private var stream: HTTP2Stream?
    private var onMessage: MessageHandler?
    private var onEnd: (@EventLoop (GRPCFailure?) -> Void)?

    /// Opens the stream on `connection`.
    ///
    /// With a manual window the server sends no more than a window and one message until ``consume(_:)`` is called.
    /// `onEnd` is called last, with nil after a status of OK.
    init(
        path: String,
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        window: HTTP2Stream.Window,
        on connection: HTTP2Connection,
        onMessage: @escaping MessageHandler,
        onEnd: @escaping @EventLoop (GRPCFailure?) -> Void
    ) throws(ConnectionError) {
        self.connection = connection
        self.onMessage = onMessage
        self.onEnd = onEnd
        deframer = GRPCDeframer(limit: maximumMessageSize)
        stream = try connection.open(
            metadata.headers(path: path, isSecure: connection.isSecure),
            body: [],
            endStream: false,
            window: window,
            handler: self
        )
    }

    /// Opens the stream of a method, whose answers are decoded.
    ///
    /// `onMessage` gets each with the number of bytes that it takes up until it is consumed.
    convenience init<Request, Response: ProtobufMessage>(
        _ method: GRPCMethod<Request, Response>,
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        window: HTTP2Stream.Window = .automatic,
        on connection: HTTP2Connection,
        onMessage: @escaping @EventLoop (Response, Int) -> Void,
        onEnd: @escaping @EventLoop (GRPCFailure?) -> Void
    ) throws(ConnectionError) {
        try self.init(
            path: method.path,
            metadata: metadata,
            maximumMessageSize: maximumMessageSize,
            window: window,
            on: connection,
            onMessage: { bytes in
                switch ProtobufDecoder.decode(Response.self, from: bytes) {
                case .success(let message):
                    onMessage(message, bytes.count + GRPCFraming.prefixLength)
                    return nil
                case .failure(let error): return error
                }
            },
            onEnd: onEnd
        )
    }

    /// Sends a request; does nothing once the stream has ended.
    func send(_ request: some ProtobufMessage, isLast: Bool = false) {
        send(frame: GRPCFraming.frame(of: request), isLast: isLast)
    }

    /// Sends a request that is framed; does nothing once the stream has ended.
    func send(frame: [UInt8], isLast: Bool = false) {
        if let stream { connection.send(frame, endStream: isLast, on: stream) }
    }

    /// Whether something of the answer has come.
    var hasBegun: Bool { stream?.hasHeaders == true }

    /// Lets the server send as many bytes as messages had that are consumed now, their prefixes included.
    func consume(_ byteCount: Int) {
        guard let stream, stream.window == .manual else { return }
        let covered = min(creditedAhead, byteCount)
        creditedAhead -= covered
        unconsumedCount -= byteCount
        connection.consume(byteCount - covered, on: stream)
        letMessageThrough(on: stream)
    }

    /// Opens the window for a message that is not complete, which may be larger than the window.
    ///
    /// Where there are others that are not consumed, it waits for them: else each message would open the window for the
    /// next one.
    private func letMessageThrough(on stream: HTTP2Stream) {
        guard stream.window == .manual, !isDelivering, unconsumedCount <= 0 else { return }
        connection.consume(deframer.partialCount - creditedAhead, on: stream)
        creditedAhead = deframer.partialCount
    }

    /// Lets the server be `size` bytes ahead of what was consumed.
    func setWindow(to size: Int) {
        if let stream { connection.setWindow(of: stream, to: size) }
    }

    /// Ends the stream from this side; no handler is called after this.
    func cancel() {
        onMessage = nil
        onEnd = nil
        guard let stream else { return }
        connection.reset(stream)
        self.stream = nil
    }

    func streamDidProgress(_ stream: HTTP2Stream) {
        if stream.hasHeaders, stream.receivedCount > 0, let status = GRPCStatus(httpHeaders: stream.headers) {
            connection.reset(stream)
            return end(GRPCFailure(status, .answeredByProxy))
        }
        do throws(LocalFailure) {
            try deliverMessages(of: stream)
        } catch {
            connection.reset(stream)
            return end(GRPCFailure(error, .answered))
        }
        guard stream.ending != nil || stream.isRemoteClosed else { return }
        connection.reset(stream, .noError)
        if let failure = GRPCFailure(endOf: stream) {
            end(failure)
        } else if deframer.partialCount > 0 {
            let failure = LocalFailure(.protocolViolation, "the server ended the stream within a message")
            end(GRPCFailure(failure, .answered))
        } else {
            end(nil)
        }
    }

    private func deliverMessages(of stream: HTTP2Stream) throws(LocalFailure) {
        if stream.receivedCount == 0 { return }
        deframer.append(stream.takeReceived())
        isDelivering = true
        defer {
            isDelivering = false
            letMessageThrough(on: stream)
        }
        // A handler may come back to this object, so the bytes are held here meanwhile.
        let bytes = deframer.bytes
        while let onMessage, let message = try deframer.next() {
            unconsumedCount += message.count + GRPCFraming.prefixLength
            let error = bytes.withUnsafeBytes { onMessage(UnsafeRawBufferPointer(rebasing: $0[message])) }
            if let error { throw LocalFailure(error) }
        }
    }

    private func end(_ failure: GRPCFailure?) {
        stream = nil
        onMessage = nil
        let onEnd = onEnd
        self.onEnd = nil
        onEnd?(failure)
    }
}
