// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with one request and one response.
@EventLoop
final class GRPCUnaryCall: HTTP2StreamHandler {
    typealias Outcome = Result<[UInt8], GRPCFailure>

    /// How long a server may leave a call without any answer, and what is done about it then.
    struct Patience: Sendable {
        let end: ContinuousClock.Instant
        /// Is told that it is over, and returns whether the call is to be given up.
        let onEnd: @Sendable @EventLoop () -> Bool
    }

    private let connection: HTTP2Connection
    private let maximumMessageSize: Int
    private var stream: HTTP2Stream?
    private var deadline: ContinuousClock.Instant?
    private var timer: EventLoop.Timer?
    private var patience: EventLoop.Timer?
    private var onFinish: (@EventLoop (Outcome) -> Void)?

    private nonisolated init(
        _ connection: HTTP2Connection,
        maximumMessageSize: Int,
        onFinish: @escaping @EventLoop (Outcome) -> Void
    ) {
        self.connection = connection
        self.maximumMessageSize = maximumMessageSize
        self.onFinish = onFinish
    }

    /// Makes a call and waits for its end; the outcome holds the body of the response, framed.
    nonisolated static func perform(
        _ path: String,
        _ frame: [UInt8],
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        patience: Patience? = nil,
        on connection: HTTP2Connection
    ) async -> Outcome {
        if Task.isCancelled { return .failure(GRPCFailure(GRPCStatus(.cancelled, "the task was cancelled"), .none)) }
        let completion = Completion<Outcome>()
        let call = GRPCUnaryCall(connection, maximumMessageSize: maximumMessageSize) { completion.complete($0) }
        return await completion.wait {
            call.start(path, frame, metadata, patience)
        } onCancel: {
            call.abandon(GRPCStatus(.cancelled, "the task was cancelled"))
        }
    }

    /// Makes a call for code on the loop, which is told of its end unless it drops the call before.
    convenience init(
        _ path: String,
        _ frame: [UInt8],
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        on connection: HTTP2Connection,
        onFinish: @escaping @EventLoop (Outcome) -> Void
    ) {
        self.init(connection, maximumMessageSize: maximumMessageSize, onFinish: onFinish)
        start(path, frame, metadata, nil)
    }

    /// Ends the call from this side, without telling anybody.
    func cancel() {
        onFinish = nil
        if let stream { connection.reset(stream) }
        release()
    }

    private func start(_ path: String, _ frame: [UInt8], _ metadata: GRPCMetadata, _ patience: Patience?) {
        // Cancelled on the way here.
        if onFinish == nil { return }
        if let deadline = metadata.deadline, deadline <= .now {
            let status = GRPCStatus(.deadlineExceeded, "the deadline had passed before the call was sent")
            return EventLoop.atEndOfTurn { self.finish(.failure(GRPCFailure(status, .none))) }
        }
        do {
            let headers = metadata.headers(path: path, isSecure: connection.isSecure)
            stream = try connection.open(headers, body: frame, endStream: true, handler: self)
        } catch {
            // Later, so that whoever has made the call holds it by then.
            return EventLoop.atEndOfTurn { self.finish(.failure(GRPCFailure(error))) }
        }
        deadline = metadata.deadline
        if let deadline {
            timer = EventLoop.schedule(at: deadline) { [weak self] in
                self?.abandon(GRPCStatus(.deadlineExceeded, "no answer within the deadline"))
            }
        }
        guard let patience else { return }
        self.patience = EventLoop.schedule(at: patience.end) { [weak self] in
            // An answer that has begun to arrive is no stall.
            guard let self, let stream, !stream.hasHeaders, patience.onEnd() else { return }
            abandon(GRPCFailure.stalled.status)
        }
    }

    func streamDidProgress(_ stream: HTTP2Stream) {
        if stream.ending == nil && !stream.isRemoteClosed {
            let limit = maximumMessageSize + GRPCFraming.prefixLength
            if stream.receivedCount > limit {
                abandon(GRPCStatus(.resourceExhausted, "the answer is over \(limit) bytes (maximumMessageSize)"))
            }
            return
        }
        // A server may answer before it has read the whole request; the rest is of no use then.
        connection.reset(stream, .noError)
        if let failure = GRPCFailure(endOf: stream, deadline: deadline) {
            finish(.failure(failure))
        } else {
            finish(.success(stream.takeReceived()))
        }
    }

    /// Ends the call from this side.
    private func abandon(_ status: GRPCStatus) {
        if onFinish == nil { return }
        if let stream { connection.reset(stream) }
        finish(.failure(GRPCFailure(status, stream?.wasSent == true ? .unknown : .none)))
    }

    private func finish(_ outcome: Outcome) {
        let onFinish = onFinish
        self.onFinish = nil
        release()
        onFinish?(outcome)
    }

    private func release() {
        stream = nil
        if let timer { EventLoop.cancel(timer) }
        if let patience { EventLoop.cancel(patience) }
    }
}
