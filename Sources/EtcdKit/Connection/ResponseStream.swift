// SPDX-License-Identifier: Apache-2.0

/// A call with one request and many answers, which are taken one by one.
///
/// The server sends no more than a window ahead of whoever takes them. When the last reference is gone, the call is
/// cancelled.
@EventLoop
final class ResponseStream<Message: Request, Answer: Response> {
    let endpoint: Endpoint
    private let channel: Channel
    private let namespace: Namespace?
    private var stream: GRPCStream<Message, Answer>?
    private var answers: ArraySlice<(message: Answer, byteCount: Int)> = []
    private var ending: Result<Void, EtcdError>?
    /// Whoever waits for an answer or the end.
    private var news: Completion<Void>?

    /// Opens the stream with its only request.
    init(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Message,
        at berth: Channel.Berth,
        of channel: Channel,
        in namespace: Namespace?
    ) throws(EtcdError) {
        var request = request
        if let namespace { try request.enter(namespace) }
        self.namespace = namespace
        let endpoint = berth.link.endpoint
        let context = channel.context
        self.endpoint = endpoint
        self.channel = channel
        do {
            stream = try GRPCStream(
                method,
                metadata: context.metadata(for: endpoint, requiresLeader: method.needsLeader, token: berth.token),
                maximumMessageSize: context.configuration.maximumMessageSize,
                window: .manual,
                on: berth.link.connection
            ) { [weak self] event in
                switch event {
                case .message(let answer, let byteCount): self?.received(answer, byteCount)
                case .ended(let failure): self?.ended(failure)
                }
            }
        } catch {
            throw EtcdError(error, at: endpoint)
        }
        stream?.send(request, isLast: true)
    }

    deinit {
        EventLoop.execute { [stream, channel, endpoint] in
            stream?.cancel()
            channel.leave(endpoint)
        }
    }

    /// Waits until there is an answer, or the stream has ended without one and without an error.
    func begin(until deadline: ContinuousClock.Instant) async throws(EtcdError) {
        while answers.isEmpty {
            if let ending { return try ending.get() }
            await waitForNews(until: deadline)
        }
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
            if let ending {
                try ending.get()
                return nil
            }
            await waitForNews(until: limit.map { .now + $0 })
        }
    }

    private func waitForNews(until deadline: ContinuousClock.Instant?) async {
        let news = Completion<Void>()
        self.news = news
        let timer = deadline.map { deadline in
            EventLoop.schedule(at: deadline) { [weak self] in
                guard let self else { return }
                end(.failure(EtcdError(.deadlineExceeded, "the server is silent [\(endpoint)]")))
            }
        }
        await news.wait { self.cancel() }
        if let timer { EventLoop.cancel(timer) }
    }

    private func cancel() {
        end(.failure(EtcdError(.cancelled, "the task was cancelled")))
    }

    private func received(_ answer: Answer, _ byteCount: Int) {
        if let objection = channel.context.witness.objection(to: answer.header.clusterID, of: endpoint) {
            return end(.failure(objection))
        }
        answers.append((answer, byteCount))
        tell()
    }

    private func ended(_ failure: GRPCFailure?) {
        end(failure.map { .failure(EtcdError($0, isRead: true, endpoint: endpoint)) } ?? .success(()))
    }

    private func end(_ result: Result<Void, EtcdError>) {
        stream?.cancel()
        stream = nil
        ending = ending ?? result
        tell()
        channel.leave(endpoint)
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
    /// What fails before that is tried again, as with unary calls, until the deadline.
    func stream<Message: Request, Answer>(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Message,
        at endpoint: Endpoint? = nil
    ) async throws(EtcdError) -> ResponseStream<Message, Answer> {
        let channel = core.channel
        let deadline = ContinuousClock.now + timeout
        var attempts = 0
        var tried: [Endpoint] = []
        var hasRenewedToken = false
        while true {
            let berth = try await channel.berth(at: endpoint, avoiding: tried, until: deadline).get()
            attempts += 1
            let failure: EtcdError
            do throws(EtcdError) {
                let stream = try await ResponseStream(method, request, at: berth, of: channel, in: scope)
                if !method.mayWait { try await stream.begin(until: deadline) }
                return stream
            } catch {
                failure = error
            }
            if failure.code.meansTokenIsRejected, channel.context.tokens.canRenew, !hasRenewedToken {
                hasRenewedToken = true
                await channel.context.tokens.reject(berth.token)
                continue
            }
            if failure.code.castsSuspicion { await channel.suspect(berth.link.endpoint, failure) }
            let pause = retry.backoff.delay(afterFailures: attempts - 1)
            guard failure.code.isTransient, attempts < retry.maximumAttempts, .now + pause < deadline else {
                throw failure
            }
            tried.append(berth.link.endpoint)
            // A cancelled pause is noticed by the next attempt.
            try? await Task.sleep(for: pause)
        }
    }
}
