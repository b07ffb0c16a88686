// SPDX-License-Identifier: Apache-2.0

/// A call with one request and many answers, which are taken one by one.
///
/// The server sends no more than a window of answers that were not taken. When the last reference is gone, the call is
/// cancelled.
@EventLoop
final class ResponseStream<Message: Request, Answer: Response> {
    private enum Ending {
        case finished
        case failed(GRPCFailure)
        /// The answer is not to be trusted.
        case refused(EtcdError)
    }

    /// Gets the code with which the stream has ended, nil for success, and how many bytes have come.
    typealias Observer = @Sendable (EtcdError.Code?, Int) -> Void

    let endpoint: Endpoint
    private let channel: Channel
    private let namespace: Namespace?
    private var stream: GRPCStream?
    private var answers: ArraySlice<(message: Answer, byteCount: Int)> = []
    private var ending: Ending?
    private var receivedCount = 0
    private var observer: Observer?
    /// The task that waits for an answer or the end.
    private var waiter: Completion<Void>?

    /// Opens the stream with its only request, framed.
    private init(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request,
        at route: Channel.Route,
        of channel: Channel,
        in namespace: Namespace?
    ) throws(ConnectionError) {
        self.namespace = namespace
        let endpoint = route.link.endpoint
        self.endpoint = endpoint
        self.channel = channel
        stream = try GRPCStream(
            method,
            metadata: channel.metadata(
                for: endpoint,
                requiresLeader: method.needsLeader,
                token: route.token,
                custom: request.metadata
            ),
            maximumMessageSize: channel.configuration.maximumMessageSize,
            window: .manual,
            on: route.link.connection
        ) { [weak self] answer, byteCount in
            self?.received(answer, byteCount)
        } onEnd: { [weak self] failure in
            self?.end(failure.map(Ending.failed) ?? .finished)
        }
        stream?.send(frame: request.frame, isLast: true)
    }

    /// Opens the stream, and waits for its first answer or its end unless that may take long.
    static func open(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request,
        _ route: Channel.Route,
        _ patience: GRPCUnaryCall.Patience?,
        of channel: Channel,
        in namespace: Namespace?
    ) async -> Result<ResponseStream, GRPCFailure> {
        let stream: ResponseStream
        do throws(ConnectionError) {
            stream = try ResponseStream(method, request, at: route, of: channel, in: namespace)
        } catch {
            return .failure(GRPCFailure(error))
        }
        if !method.mayWait, let failure = await stream.begin(until: request.deadline.instant, patience) {
            return .failure(failure)
        }
        return .success(stream)
    }

    deinit {
        EventLoop.execute { [stream, channel, endpoint, observer, receivedCount] in
            stream?.cancel()
            channel.leave(endpoint)
            observer?(.cancelled, receivedCount)
        }
    }

    /// Has `observer` told of the end, once.
    func observeEnd(_ observer: @escaping Observer) {
        self.observer = observer
        if ending != nil { reportEnd() }
    }

    /// Waits until there is an answer or the end.
    ///
    /// - Returns: Why the call has failed, if it has before there was any answer.
    private func begin(until deadline: ContinuousClock.Instant, _ patience: GRPCUnaryCall.Patience?) async
        -> GRPCFailure?
    {
        let timer = patience.map { patience in
            EventLoop.schedule(at: patience.end.instant) { [weak self] in
                // An answer that has begun to arrive is no stall.
                guard let self, stream?.hasBegun == false, patience.onEnd() else { return }
                end(.failed(GRPCFailure(.stalled, .unknown)))
            }
        }
        defer {
            if let timer { EventLoop.cancel(timer) }
        }
        while answers.isEmpty {
            if case .failed(let failure) = ending { return failure }
            if ending != nil { return nil }
            await waitForProgress(until: deadline, or: .lateAnswer)
        }
        return nil
    }

    /// The next answer, or nil at the end.
    ///
    /// The stream is given up if it is silent for longer than `limit` while a task waits, or if that task is cancelled.
    func next(within limit: Duration? = nil) async throws(EtcdError) -> Answer? {
        if Task.isCancelled {
            // Also after the end: nil would say that all answers were taken.
            answers = []
            cancel()
            throw .cancelledTask
        }
        while true {
            if let (message, byteCount) = answers.popFirst() {
                var answer = message
                stream?.consume(byteCount)
                if let namespace { try answer.leave(namespace) }
                return answer
            }
            switch ending {
            case .finished: return nil
            case .failed(let failure): throw EtcdError(failure, at: endpoint)
            case .refused(let objection): throw objection
            case nil: await waitForProgress(until: limit.map { .now + $0 }, or: .silence)
            }
        }
    }

    private func waitForProgress(until deadline: ContinuousClock.Instant?, or failure: LocalFailure) async {
        let waiter = Completion<Void>()
        self.waiter = waiter
        await waiter.wait(
            until: deadline,
            onDeadline: { [weak self] in
                self?.end(.failed(GRPCFailure(failure, .unknown)))
            },
            onCancel: { self.cancel() }
        )
    }

    private func cancel() { end(.failed(GRPCFailure(.cancelledTask, .unknown))) }

    private func received(_ answer: Answer, _ byteCount: Int) {
        receivedCount += byteCount
        if let objection = channel.identity.objection(to: answer.header.clusterID, of: endpoint) {
            return end(.refused(objection))
        }
        answers.append((answer, byteCount))
        tell()
    }

    private func end(_ ending: Ending) {
        stream?.cancel()
        stream = nil
        if self.ending == nil {
            self.ending = ending
            reportEnd()
        }
        tell()
        channel.leave(endpoint)
    }

    private func reportEnd() {
        let code: EtcdError.Code? =
            switch ending {
            case .failed(let failure): failure.code
            case .refused(let objection): objection.code
            case .finished, nil: nil
            }
        observer?(code, receivedCount)
        observer = nil
    }

    private func tell() {
        waiter?.complete(())
        waiter = nil
    }
}
