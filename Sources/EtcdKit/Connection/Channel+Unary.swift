// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// A unary call, ready to be sent.
    struct Request: Sendable {
        let path: String
        let isRead: Bool
        let frame: [UInt8]
        let deadline: ContinuousClock.Instant
    }

    /// Makes a unary call on a connection, as often as is safe: again when the server has certainly not acted on it, and
    /// for a read also when its connection was lost or the server could not answer just then.
    ///
    /// - Returns: The body of the answer, framed.
    nonisolated func perform(_ request: Request) async -> Result<[UInt8], EtcdError> {
        var failures = 0
        while true {
            let link: Link
            if let probable = probableLink {
                link = probable
            } else {
                switch await waitForLink(until: request.deadline) {
                case .success(let ready): link = ready
                case .failure(let error): return .failure(error)
                }
            }
            let outcome = await GRPCUnaryCall.perform(
                request.path,
                request.frame,
                metadata: GRPCMetadata(authority: link.endpoint.authority, deadline: request.deadline),
                maximumMessageSize: configuration.maximumMessageSize,
                on: link.connection
            )
            switch outcome {
            case .success(let body):
                return .success(body)
            case .failure(let failure):
                // A first repetition goes at once; one after the deadline could only do harm.
                let pause = configuration.backoff.delay(afterFailures: failures, chance: .random(in: 0...1))
                guard failure.permitsRepetition(isRead: request.isRead), .now + pause < request.deadline else {
                    return .failure(EtcdError(failure, isRead: request.isRead, endpoint: link.endpoint))
                }
                failures += 1
                // A cancelled pause is noticed by the next attempt.
                if pause > .zero { try? await Task.sleep(for: pause) }
            }
        }
    }

    private func waitForLink(until deadline: ContinuousClock.Instant) async -> Result<Link, EtcdError> {
        if let readyLink { return .success(readyLink) }
        let completion = Completion<Result<Link, EtcdError>>()
        let ticket = whenReady { completion.complete($0) }
        let timer = EventLoop.schedule(at: deadline) { [weak self] in
            let error = self?.unavailability ?? EtcdError(.clientClosed, "the client was closed")
            completion.complete(.failure(error))
        }
        let result = await completion.wait {
            completion.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
        EventLoop.cancel(timer)
        if let ticket { forget(ticket) }
        return result
    }
}

extension GRPCFailure {
    fileprivate func permitsRepetition(isRead: Bool) -> Bool {
        status.code == .unavailable && (effect == .none || isRead)
    }
}
