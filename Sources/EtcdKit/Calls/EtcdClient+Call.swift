// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    // MARK: One answer

    /// Makes a unary call, at `endpoint` if one is given: encodes and decodes on the caller's thread, and does the rest on
    /// the loop.
    ///
    /// Here, and for watches in ``WatchReader``, keys enter and leave the client's namespace. Errors of which etcd does not
    /// say what they are about have the `subject` in their message.
    func call<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ message: Message,
        at endpoint: Endpoint? = nil,
        about subject: @autoclosure () -> String? = nil
    ) async throws(EtcdError) -> Answer {
        do throws(EtcdError) {
            let start = MonotonicInstant.now
            let request = try request(method, message, at: endpoint, since: start)
            if interceptors.isEmpty { return try await perform(method, request, since: start).result.get() }
            return try await intercepted(request) { await perform(method, $0, since: start) }
        } catch {
            throw error.about(subject())
        }
    }

    private func perform<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request,
        since start: MonotonicInstant
    ) async -> InterceptedCall<Answer>.Made {
        let channel = core.channel
        let floor = channel.identity.revision
        channel.report(.callStarted(request.call))
        let answer = await channel.perform(request)
        let result: Result<Answer, EtcdError>
        do throws(EtcdError) {
            var message: Answer = try answer.message(limit: channel.configuration.maximumMessageSize)
            try verify(message.header, answer.link, floor: method.ordersRevisions ? floor : nil)
            if let scope { try message.leave(scope) }
            result = .success(message)
        } catch {
            // If the response of a successful call cannot be decoded, the outcome is unknown.
            let isInDoubt = !method.isRead && answer.isSuccess
            result = .failure(isInDoubt ? EtcdError(inDoubtAfter: error) : error)
        }
        let code: EtcdError.Code? = if case .failure(let error) = result { error.code } else { nil }
        let outcome = CallOutcome(
            endpoint: answer.endpoint,
            attempts: answer.attempts,
            duration: .now - start,
            responseSize: (try? answer.result.get().count) ?? 0,
            code: code
        )
        channel.report(.callFinished(request.call, outcome))
        return (result, outcome)
    }

    /// A call, ready to be sent.
    func request<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ message: Message,
        at endpoint: Endpoint?,
        avoiding avoided: [Endpoint] = [],
        since start: MonotonicInstant
    ) throws(EtcdError) -> Channel.Request {
        if timeout <= .zero {
            let text = "a timeout of \(timeout) leaves no time for the call, which was not sent"
            throw EtcdError(.deadlineExceeded, text)
        }
        if !metadata.isEmpty { try metadata.validate() }
        var message = message
        if let scope { try message.enter(scope) }
        let frame = GRPCFraming.frame(of: message)
        return Channel.Request(
            call: Call(method: method.path, requestSize: frame.count),
            isRead: method.isRead,
            needsLeader: method.needsLeader,
            mayWait: method.mayWait,
            frame: frame,
            deadline: start + timeout,
            retry: retry,
            endpoint: endpoint,
            avoided: avoided,
            metadata: metadata,
            waitPolicy: waitsForConnection ? .unlessMisconfigured : .unlessFailed
        )
    }

    /// Refuses the answer of a foreign cluster, and reports a revision that is below one seen before the call.
    private func verify(_ header: ResponseHeader, _ link: Channel.Link?, floor: Revision?) throws(EtcdError) {
        guard let link else { return }
        let channel = core.channel
        if let objection = channel.identity.objection(to: header.clusterID, of: link.endpoint) { throw objection }
        if let floor, channel.identity.isFall(header.revision, below: floor) {
            channel.report(.revisionFell(from: floor, to: header.revision, link.endpoint))
        }
    }

    // MARK: A stream of answers

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
        let start = MonotonicInstant.now
        let request = try request(method, message, at: endpoint, avoiding: avoided, since: start)
        if interceptors.isEmpty { return try await begin(method, request, since: start).result.get() }
        return try await intercepted(request) { await begin(method, $0, since: start) }
    }

    private func begin<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ request: Channel.Request,
        since start: MonotonicInstant
    ) async -> InterceptedCall<ResponseStream<Message, Answer>>.Made {
        let channel = core.channel
        channel.report(.callStarted(request.call))
        let answer = await open(method, request)
        // Not the answer itself, which holds the stream.
        let (place, count) = (answer.endpoint, answer.attempts)
        @Sendable func outcome(_ code: EtcdError.Code?, _ size: Int) -> CallOutcome {
            CallOutcome(endpoint: place, attempts: count, duration: .now - start, responseSize: size, code: code)
        }
        switch answer.result {
        case .success(let stream):
            await stream.observeEnd { code, byteCount in
                channel.report(.callFinished(request.call, outcome(code, byteCount)))
                for interceptor in channel.configuration.interceptors {
                    interceptor.streamEnded(request.call, outcome(code, byteCount))
                }
            }
            return (answer.result, outcome(nil, 0))
        case .failure(let error):
            if error.code == .unimplemented, let place {
                channel.missingMethods.note(method.path, at: place)
            }
            channel.report(.callFinished(request.call, outcome(error.code, 0)))
            return (answer.result, outcome(error.code, 0))
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
                let route = try await attempts.route()
                let patience = attempts.begin(at: route)
                switch await ResponseStream.open(method, request, route, patience, of: channel, in: scope) {
                case .success(let stream): return attempts.answer(.success(stream))
                case .failure(let failure): try await attempts.goOn(after: failure, at: route)
                }
            }
        } catch {
            return attempts.answer(.failure(error))
        }
    }

    // MARK: Interceptors

    private var interceptors: [any CallInterceptor] { core.channel.configuration.interceptors }

    /// Makes a call by `make` through the interceptors.
    private func intercepted<Success: Sendable>(
        _ request: Channel.Request,
        _ make: @escaping @Sendable (Channel.Request) async -> InterceptedCall<Success>.Made
    ) async throws(EtcdError) -> Success {
        let call = InterceptedCall<Success>(call: request.call, interceptors: interceptors) { metadata in
            var request = request
            request.metadata = metadata
            do throws(EtcdError) { try metadata.validate() } catch {
                return (.failure(error), CallOutcome(error.code))
            }
            return await make(request)
        }
        return try await call.run(request.metadata)
    }

    // MARK: Several calls

    /// Repeats `operation` while the cluster is unavailable, until the task is cancelled.
    package func retryingWhileUnavailable<Result>(
        _ operation: () async throws(EtcdError) -> Result
    ) async throws(EtcdError) -> Result {
        try await AttemptLoop(retry).run { (_) throws(EtcdError) in
            try await operation()
        } after: { error in
            error.code.isTransient && !Task.isCancelled ? .afterPause : .nothing
        }
    }
}
