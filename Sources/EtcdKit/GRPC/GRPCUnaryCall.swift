// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with one request and one response.
@EventLoop
final class GRPCUnaryCall: HTTP2StreamHandler {
    typealias Outcome = Result<[UInt8], GRPCFailure>

    private let connection: HTTP2Connection
    private let maximumMessageSize: Int
    private var stream: HTTP2Stream?
    private var timer: EventLoop.Timer?
    private let completion = Completion<Outcome>()

    private nonisolated init(_ connection: HTTP2Connection, maximumMessageSize: Int) {
        self.connection = connection
        self.maximumMessageSize = maximumMessageSize
    }

    /// Makes a call and waits for its end; the outcome holds the body of the response, framed.
    nonisolated static func perform(
        _ path: String,
        _ frame: [UInt8],
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        on connection: HTTP2Connection
    ) async -> Outcome {
        if Task.isCancelled { return .failure(GRPCFailure(GRPCStatus(.cancelled, "the task was cancelled"), .none)) }
        let call = GRPCUnaryCall(connection, maximumMessageSize: maximumMessageSize)
        return await call.completion.wait {
            call.start(path, frame, metadata)
        } onCancel: {
            call.abandon(GRPCStatus(.cancelled, "the task was cancelled"))
        }
    }

    private func start(_ path: String, _ frame: [UInt8], _ metadata: GRPCMetadata) {
        // Cancelled on the way here.
        if completion.isComplete { return }
        do {
            let headers = metadata.headers(path: path, isSecure: connection.isSecure)
            stream = try connection.open(headers, body: frame, endStream: true, handler: self)
        } catch {
            return finish(.failure(GRPCFailure(error)))
        }
        if let deadline = metadata.deadline {
            timer = EventLoop.schedule(at: deadline) { [weak self] in
                self?.abandon(GRPCStatus(.deadlineExceeded, "no answer within the deadline"))
            }
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
        if let failure = GRPCFailure(endOf: stream) {
            finish(.failure(failure))
        } else {
            finish(.success(stream.takeReceived()))
        }
    }

    /// Ends the call from this side.
    private func abandon(_ status: GRPCStatus) {
        if completion.isComplete { return }
        if let stream { connection.reset(stream) }
        finish(.failure(GRPCFailure(status, stream?.wasSent == true ? .unknown : .none)))
    }

    private func finish(_ outcome: Outcome) {
        stream = nil
        if let timer { EventLoop.cancel(timer) }
        completion.complete(outcome)
    }
}
