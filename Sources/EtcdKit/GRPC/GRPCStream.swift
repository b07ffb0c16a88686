// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with a stream of responses, and of requests where the method takes them.
@EventLoop
final class GRPCStream<Request: ProtobufMessage, Response: ProtobufMessage> {
    enum Event: Sendable {
        /// A response, and how many bytes it takes up until it is consumed.
        case message(Response, byteCount: Int)
        /// The last event: nil after a status of OK.
        case ended(GRPCFailure?)
    }

    private let stream: GRPCMessageStream

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
        stream = try GRPCMessageStream(
            path: method.path,
            metadata: metadata,
            maximumMessageSize: maximumMessageSize,
            window: window,
            on: connection
        ) { bytes in
            switch ProtobufDecoder.decode(Response.self, from: bytes) {
            case .success(let message):
                onEvent(.message(message, byteCount: bytes.count + GRPCFraming.prefixLength))
                return nil
            case .failure(let error): return error
            }
        } onEnd: {
            onEvent(.ended($0))
        }
    }

    /// Sends a request; does nothing once the stream has ended.
    func send(_ request: Request, isLast: Bool = false) { stream.send(request, isLast: isLast) }

    /// Sends a request that is framed; does nothing once the stream has ended.
    func send(frame: [UInt8], isLast: Bool = false) { stream.send(frame: frame, isLast: isLast) }

    /// Whether something of the answer has come.
    var hasBegun: Bool { stream.hasBegun }

    /// Lets the server send as many bytes as messages had that are consumed now.
    func consume(_ byteCount: Int) { stream.consume(byteCount) }

    /// Ends the stream from this side; no event comes after this.
    func cancel() { stream.cancel() }
}
