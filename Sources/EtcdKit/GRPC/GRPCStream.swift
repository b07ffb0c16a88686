// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with a stream of responses, and of requests where the method takes them.
@EventLoop
final class GRPCStream<Request: ProtobufMessage, Response: ProtobufMessage>: HTTP2StreamHandler {
    enum Event: Sendable {
        /// A response, and how many bytes it takes up until it is consumed.
        case message(Response, byteCount: Int)
        /// The last event: nil after a status of OK.
        case ended(GRPCFailure?)
    }

    private let connection: HTTP2Connection
    /// Bytes of complete messages that are not consumed.
    private var unconsumedCount = 0
    /// Bytes for which a manual window was opened before they were consumed.
    private var advance = 0
    private var isDelivering = false
    private var deframer: GRPCDeframer
    private var stream: HTTP2Stream?
    private var onEvent: (@EventLoop (Event) -> Void)?

    /// Opens the stream on `connection`.
    ///
    /// With a manual window the server sends no more than a window and one message until ``consume(_:)`` is called.
    init(
        _ method: GRPCMethod<Request, Response>,
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        window: HTTP2Stream.Window = .automatic,
        on connection: HTTP2Connection,
        onEvent: @escaping @EventLoop (Event) -> Void
    ) throws(ConnectionError) {
        self.connection = connection
        self.onEvent = onEvent
        deframer = GRPCDeframer(limit: maximumMessageSize)
        stream = try connection.open(
            metadata.headers(path: method.path, isSecure: connection.isSecure),
            body: [],
            endStream: false,
            window: window,
            handler: self
        )
    }

    /// Sends a request; does nothing once the stream has ended.
    func send(_ request: Request, isLast: Bool = false) {
        send(frame: GRPCFraming.frame { ProtobufEncoder.encode(request, into: &$0) }, isLast: isLast)
    }

    /// Sends a request that is framed; does nothing once the stream has ended.
    func send(frame: [UInt8], isLast: Bool = false) {
        if let stream { connection.send(frame, endStream: isLast, on: stream) }
    }

    /// Whether something of the answer has come.
    var hasBegun: Bool { stream?.hasHeaders == true }

    /// Lets the server send as many bytes as messages had that are consumed now.
    func consume(_ byteCount: Int) {
        guard let stream, stream.window == .manual else { return }
        let covered = min(advance, byteCount)
        advance -= covered
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
        connection.consume(deframer.partialCount - advance, on: stream)
        advance = deframer.partialCount
    }

    /// Lets the server be `size` bytes ahead of what was consumed.
    func setWindow(to size: Int) {
        if let stream { connection.setWindow(of: stream, to: size) }
    }

    /// Ends the stream from this side; no event comes after this.
    func cancel() {
        onEvent = nil
        guard let stream else { return }
        connection.reset(stream)
        self.stream = nil
    }

    func streamDidProgress(_ stream: HTTP2Stream) {
        do throws(GRPCStatus) {
            if stream.hasHeaders, stream.receivedCount > 0, let status = GRPCStatus(httpHeaders: stream.headers) {
                throw status
            }
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
            end(GRPCFailure(GRPCStatus(.internal, "the server ended the stream within a message"), .answered))
        } else {
            end(nil)
        }
    }

    private func deliverMessages(of stream: HTTP2Stream) throws(GRPCStatus) {
        if stream.receivedCount == 0 { return }
        deframer.append(stream.takeReceived())
        isDelivering = true
        defer {
            isDelivering = false
            letMessageThrough(on: stream)
        }
        while onEvent != nil {
            let decoded = try deframer.next { bytes -> (message: Result<Response, ProtobufError>, count: Int) in
                (ProtobufDecoder.decode(Response.self, from: bytes), bytes.count + GRPCFraming.prefixLength)
            }
            guard let decoded else { return }
            switch decoded.message {
            case .success(let message):
                unconsumedCount += decoded.count
                onEvent?(.message(message, byteCount: decoded.count))
            case .failure(let error): throw GRPCStatus(error)
            }
        }
    }

    private func end(_ failure: GRPCFailure?) {
        stream = nil
        let onEvent = onEvent
        self.onEvent = nil
        onEvent?(.ended(failure))
    }
}
