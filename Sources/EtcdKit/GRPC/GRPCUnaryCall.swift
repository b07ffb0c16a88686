// SPDX-License-Identifier: Apache-2.0

/// A gRPC call with one request and one response.
///
/// It is itself the loop's job: to start the call, at a deadline, and to resume the waiting task.
@EventLoop
final class GRPCUnaryCall: HTTP2StreamHandler, LoopTask {
    typealias Outcome = Result<[UInt8], GRPCFailure>

    /// How long a server may leave a call without any answer, and the reaction to that.
    struct Patience: Sendable {
        let end: MonotonicInstant
        /// Called at the end; returns whether the call is to be given up.
        let onEnd: @Sendable @EventLoop () -> Bool
    }

    /// With more open calls than this, calls do not borrow the loop: those of one turn are sent in one `send`.
    private static let borrowingLimit = 4

    /// Reused for each call.
    private static var headers = HTTP2RequestHeaders()

    private nonisolated let connection: HTTP2Connection
    private let path: String
    private let metadata: GRPCMetadata
    private let maximumMessageSize: Int
    /// Nil once it is over.
    private var patience: Patience?
    private var frame: [UInt8]
    private var isStarted = false
    private var outcome: Outcome?
    /// The end is known, or nobody wants to know it.
    private var isOver = false
    private var stream: HTTP2Stream?
    private var timer: EventLoop.Timer?
    private var onFinish: (@EventLoop (Outcome) -> Void)?
    /// The task that waits for the end.
    // Safe: it is set before the loop gets the call, and only used there after `start`.
    private nonisolated(unsafe) var continuation: UnsafeContinuation<Outcome, Never>?

    /// Makes a call, which ``start()`` starts; `onFinish` is called at its end, unless it is cancelled before.
    nonisolated init(
        _ path: String,
        _ frame: consuming [UInt8],
        metadata: GRPCMetadata,
        maximumMessageSize: Int,
        patience: Patience? = nil,
        on connection: HTTP2Connection,
        onFinish: (@EventLoop (Outcome) -> Void)? = nil
    ) {
        self.connection = connection
        self.path = path
        self.frame = frame
        self.metadata = metadata
        self.maximumMessageSize = maximumMessageSize
        self.patience = patience
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
        if Task.isCancelled { return .failure(GRPCFailure(.cancelledTask, .none)) }
        let call = GRPCUnaryCall(
            path,
            frame,
            metadata: metadata,
            maximumMessageSize: maximumMessageSize,
            patience: patience,
            on: connection
        )
        return await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in
                call.continuation = continuation
                if EventLoop.borrow({ call.startUnlessBusy() }) != true { EventLoop.execute(call) }
            }
        } onCancel: {
            EventLoop.execute { call.abandon(.cancelledTask) }
        }
    }

    /// Ends the call from this side, without telling anybody.
    func cancel() {
        onFinish = nil
        isOver = true
        if let stream { connection.reset(stream) }
        release()
    }

    func run() {
        if let outcome {
            continuation?.resume(returning: outcome)
            continuation = nil
        } else if isStarted {
            timeIsOver()
        } else {
            start()
        }
    }

    private func startUnlessBusy() -> Bool {
        if EventLoop.isBorrowed && connection.callCount >= Self.borrowingLimit { return false }
        start()
        return true
    }

    func start() {
        isStarted = true
        // Cancelled on the way here.
        if isOver { return finish(.failure(GRPCFailure(.cancelledTask, .none))) }
        let now = MonotonicInstant.now
        if let deadline = metadata.deadline, deadline <= now {
            let failure = LocalFailure(.deadlineExceeded, "the deadline had passed before the call was sent")
            return finishLater(GRPCFailure(failure, .none))
        }
        do {
            Self.headers.removeAll()
            metadata.append(to: &Self.headers, path: path, isSecure: connection.isSecure, now: now)
            stream = try connection.open(Self.headers, body: frame, endStream: true, handler: self)
            frame = []
            connection.callCount += 1
        } catch {
            return finishLater(GRPCFailure(error))
        }
        scheduleTimer()
    }

    /// The timer for the end of patience or the deadline, whichever is first.
    private func scheduleTimer() {
        let deadline = metadata.deadline
        guard let due = patience.map({ patience in deadline.map { min($0, patience.end) } ?? patience.end }) ?? deadline
        else { return }
        timer = EventLoop.schedule(at: due, self)
    }

    private func timeIsOver() {
        timer = nil
        if let deadline = metadata.deadline, deadline <= .now {
            return abandon(.lateAnswer)
        }
        let ended = patience
        patience = nil
        // An answer that has begun to arrive is no stall.
        if let stream, !stream.hasHeaders, let ended, ended.onEnd() { return abandon(.stalled) }
        scheduleTimer()
    }

    func streamDidProgress(_ stream: HTTP2Stream) {
        if stream.ending == nil && !stream.isRemoteClosed {
            let limit = maximumMessageSize + GRPCFraming.prefixLength
            if stream.receivedCount > limit {
                abandon(LocalFailure(.responseTooLarge, "the answer is over \(limit) bytes (maximumMessageSize)"))
            }
            return
        }
        // A server may answer before it has read the whole request; the rest is not needed then.
        connection.reset(stream, .noError)
        if let failure = GRPCFailure(endOf: stream, deadline: metadata.deadline) {
            finish(.failure(failure))
        } else {
            finish(.success(stream.takeReceived()))
        }
    }

    /// Ends the call from this side.
    private func abandon(_ failure: LocalFailure) {
        if isOver { return }
        if !isStarted {
            isOver = true
            return
        }
        if let stream { connection.reset(stream) }
        finish(.failure(GRPCFailure(failure, stream?.wasSent == true ? .unknown : .none)))
    }

    /// In a later job, so that the caller holds the call by then.
    private func finishLater(_ failure: GRPCFailure) {
        EventLoop.atEndOfTurn { self.finish(.failure(failure)) }
    }

    private func finish(_ outcome: Outcome) {
        isOver = true
        release()
        if let onFinish {
            self.onFinish = nil
            onFinish(outcome)
        } else if continuation != nil {
            self.outcome = outcome
            EventLoop.wake(self)
        }
    }

    private func release() {
        if stream != nil { connection.callCount -= 1 }
        stream = nil
        if let timer { EventLoop.cancel(timer) }
    }
}
