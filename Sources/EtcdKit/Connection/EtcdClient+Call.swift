// SPDX-License-Identifier: Apache-2.0

extension EtcdClient {
    /// Makes a unary call, at `endpoint` if one is given: encodes and decodes on the caller's thread, and does the rest on
    /// the loop.
    ///
    /// Here, and for watches in ``WatchReader``, keys enter and leave the client's namespace.
    func call<Message: Request, Answer: Response>(
        _ method: GRPCMethod<Message, Answer>,
        _ message: Message,
        at endpoint: Endpoint? = nil
    ) async throws(EtcdError) -> Answer {
        let context = core.channel.context
        let floor = context.witness.revision
        let start = MonotonicInstant.now
        let request = try request(method, message, at: endpoint, since: start)
        context.report(.callStarted(request.call))
        let answer = await core.channel.perform(request)
        let result = answer.result.flatMap { (body) -> Result<Answer, EtcdError> in
            do throws(EtcdError) {
                var message: Answer = try Channel.message(in: body, limit: configuration.maximumMessageSize)
                try verify(message.header, answer.link, floor: method.ordersRevisions ? floor : nil)
                if let scope { try message.leave(scope) }
                return .success(message)
            } catch {
                // The server says that it was successful, but not how.
                return .failure(method.isRead ? error : EtcdError(inDoubtAfter: error))
            }
        }
        context.report(.callFinished(request.call, CallOutcome(answer, result, since: start)))
        return try result.get()
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
            throw EtcdError(
                .deadlineExceeded,
                "a timeout of \(timeout) leaves no time for the call, which was not sent"
            )
        }
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
            avoided: avoided
        )
    }

    /// Refuses the answer of a foreign cluster, and reports a revision that is below one seen before the call.
    private func verify(_ header: ResponseHeader, _ link: Channel.Link?, floor: Revision?) throws(EtcdError) {
        guard let link else { return }
        let context = core.channel.context
        if let objection = context.witness.objection(to: header.clusterID, of: link.endpoint) { throw objection }
        if let floor, context.witness.isFall(header.revision, below: floor) {
            context.report(.revisionFell(from: floor, to: header.revision, link.endpoint))
        }
    }
}

extension EtcdClient.CallOutcome {
    fileprivate init<Message>(
        _ answer: Channel.Answer<[UInt8]>,
        _ result: Result<Message, EtcdError>,
        since start: MonotonicInstant
    ) {
        endpoint = answer.endpoint
        attempts = answer.attempts
        duration = .now - start
        responseSize = if case .success(let body) = answer.result { body.count } else { 0 }
        code = if case .failure(let error) = result { error.code } else { nil }
    }
}
