// SPDX-License-Identifier: Apache-2.0

/// A call with one request and many answers, which are taken one by one.
///
/// The server sends no more than a window ahead of whoever takes them. When the last reference is gone, the call is
/// cancelled.
@EventLoop
final class ResponseStream<Message: Request, Answer: Response> {
    private enum Ending {
        case finished
        case failed(GRPCFailure)
        /// The answer is not to be trusted.
        case refused(EtcdError)
    }

    /// Is told how the stream has ended, nil for success, and how many bytes have come.
    typealias Observer = @Sendable (EtcdError.Code?, Int) -> Void

    let endpoint: Endpoint
    private let channel: Channel
    private let namespace: Namespace?
    private var stream: GRPCStream<Message, Answer>?
    private var answers: ArraySlice<(message: Answer, byteCount: Int)> = []
    private var ending: Ending?
    private var receivedCount = 0
    private var observer: Observer?
    /// Whoever waits for an answer or the end.
    private var news: Completion<Void>?

    /// Opens the stream with its only request, framed.
    private init(
        _ method: GRPCMethod<Message, Answer>,
        _ frame: [UInt8],
        at berth: Channel.Berth,
        of channel: Channel,
        in namespace: Namespace?
    ) throws(ConnectionError) {
        self.namespace = namespace
        let endpoint = berth.link.endpoint
        let context = channel.context
        self.endpoint = endpoint
        self.channel = channel
        stream = try GRPCStream(
            method,
            metadata: context.metadata(for: endpoint, requiresLeader: method.needsLeader, token: berth.token),
            maximumMessageSize: context.configuration.maximumMessageSize,
            window: .manual,
            on: berth.link.connection
        ) { [weak self] event in
            switch event {
            case .message(let answer, let byteCount): self?.received(answer, byteCount)
            case .ended(let failure): self?.end(failure.map(Ending.failed) ?? .finished)
            }
        }
        stream?.send(frame: frame, isLast: true)
    }

    /// Opens the stream, and waits for its first answer or its end unless that may take long.
    static func open(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request,
        _ berth: Channel.Berth,
        _ patience: GRPCUnaryCall.Patience?,
        of channel: Channel,
        in namespace: Namespace?
    ) async -> Result<ResponseStream, GRPCFailure> {
        let stream: ResponseStream
        do throws(ConnectionError) {
            stream = try ResponseStream(method, request.frame, at: berth, of: channel, in: namespace)
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
                end(.failed(.stalled))
            }
        }
        defer {
            if let timer { EventLoop.cancel(timer) }
        }
        while answers.isEmpty {
            if case .failed(let failure) = ending { return failure }
            if ending != nil { return nil }
            await waitForNews(until: deadline, or: "no answer within the deadline")
        }
        return nil
    }

    /// The next answer, or nil at the end.
    ///
    /// A stream that is silent for longer than `limit` while someone waits is given up, as it is when the waiting task is
    /// cancelled.
    func next(within limit: Duration? = nil) async throws(EtcdError) -> Answer? {
        if Task.isCancelled {
            answers = []
            cancel()
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
            case nil: await waitForNews(until: limit.map { .now + $0 }, or: "the server is silent")
            }
        }
    }

    private func waitForNews(until deadline: ContinuousClock.Instant?, or complaint: String) async {
        let news = Completion<Void>()
        self.news = news
        let timer = deadline.map { deadline in
            EventLoop.schedule(at: deadline) { [weak self] in
                self?.end(.failed(GRPCFailure(GRPCStatus(.deadlineExceeded, complaint), .unknown)))
            }
        }
        await news.wait { self.cancel() }
        if let timer { EventLoop.cancel(timer) }
    }

    private func cancel() {
        end(.failed(GRPCFailure(GRPCStatus(.cancelled, "the task was cancelled"), .unknown)))
    }

    private func received(_ answer: Answer, _ byteCount: Int) {
        receivedCount += byteCount
        if let objection = channel.context.witness.objection(to: answer.header.clusterID, of: endpoint) {
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
        news?.complete(())
        news = nil
    }
}

extension EtcdClient {
    /// Makes a call that reads and has many answers, at `endpoint` if one is given, and waits for the first of them unless
    /// that may take long.
    ///
    /// An earlier failure is tried again, as with unary calls, until the deadline. An endpoint that is `avoided` is
    /// asked only if there is no other.
    func stream<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ message: Message,
        at endpoint: Endpoint? = nil,
        avoiding avoided: [Endpoint] = []
    ) async throws(EtcdError) -> ResponseStream<Message, Answer> {
        let channel = core.channel
        let start = MonotonicInstant.now
        let request = try request(method, message, at: endpoint, avoiding: avoided, since: start)
        channel.context.report(.callStarted(request.call))
        let answer = await open(method, request)
        // Not the answer itself, which holds the stream.
        let finish = {
            @Sendable [place = answer.endpoint, attempts = answer.attempts] (code: EtcdError.Code?, byteCount: Int) in
            let outcome = CallOutcome(
                endpoint: place,
                attempts: attempts,
                duration: .now - start,
                responseSize: byteCount,
                code: code
            )
            channel.context.report(.callFinished(request.call, outcome))
        }
        do throws(EtcdError) {
            let stream = try answer.result.get()
            await stream.observeEnd(finish)
            return stream
        } catch {
            if error.code == .unimplemented, let place = answer.endpoint {
                channel.context.missingMethods.note(method.path, at: place)
            }
            finish(error.code, 0)
            throw error
        }
    }

    private func open<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request
    ) async -> Channel.Answer<ResponseStream<Message, Answer>> {
        let channel = core.channel
        var attempts = CallAttempts(of: request, over: channel)
        do throws(EtcdError) {
            while true {
                let berth = try await attempts.berth()
                let patience = attempts.begin(at: berth)
                switch await ResponseStream.open(method, request, berth, patience, of: channel, in: scope) {
                case .success(let stream): return attempts.answer(.success(stream))
                case .failure(let failure): try await attempts.goOn(after: failure, at: berth)
                }
            }
        } catch {
            return attempts.answer(.failure(error))
        }
    }
}
