// SPDX-License-Identifier: Apache-2.0

extension Channel {
    /// A call with one request, ready to be sent.
    struct Request: Sendable {
        let call: EtcdClient.Call
        let isRead: Bool
        let needsLeader: Bool
        /// Silence is no stall.
        var mayWait = false
        /// Authentication itself goes without a token.
        var needsToken = true
        let frame: [UInt8]
        let deadline: MonotonicInstant
        let retry: RetryPolicy
        /// The only endpoint that the call may go to; nil if any will do.
        var endpoint: Endpoint?
        /// Where the call goes only if there is nowhere else.
        var avoided: [Endpoint] = []
    }

    /// The outcome of a call, after all attempts.
    struct Answer<Success: Sendable>: Sendable {
        let result: Result<Success, EtcdError>
        /// Where the last attempt went.
        let link: Link?
        let attempts: Int

        var endpoint: Endpoint? { link?.endpoint }
    }

    /// Makes a unary call; the answer is the body, framed.
    nonisolated func perform(_ request: Request) async -> Answer<[UInt8]> {
        var attempts = CallAttempts(of: request, over: self)
        do throws(EtcdError) {
            while true {
                let berth = if let berth = attempts.berthAtOnce() { berth } else { try await attempts.berth() }
                let outcome = await GRPCUnaryCall.perform(
                    request.call.method,
                    request.frame,
                    metadata: context.metadata(
                        for: berth.link.endpoint,
                        deadline: request.deadline,
                        requiresLeader: request.needsLeader,
                        token: berth.token
                    ),
                    maximumMessageSize: configuration.maximumMessageSize,
                    patience: attempts.begin(at: berth),
                    on: berth.link.connection
                )
                switch outcome {
                case .success(let body): return attempts.answer(.success(body))
                case .failure(let failure): try await attempts.goOn(after: failure, at: berth)
                }
            }
        } catch {
            return attempts.answer(.failure(error))
        }
    }

    /// The message in the body of an answer.
    nonisolated static func message<Message: ProtobufMessage>(
        in body: [UInt8],
        limit: Int
    ) throws(EtcdError) -> Message {
        let range: Range<Int>
        do throws(GRPCStatus) {
            range = try GRPCFraming.singleMessage(in: body, limit: limit)
        } catch {
            throw EtcdError(EtcdError.Code(error), error.message)
        }
        let decoded = body.withUnsafeBytes { bytes in
            ProtobufDecoder.decode(Message.self, from: UnsafeRawBufferPointer(rebasing: bytes[range]))
        }
        switch decoded {
        case .success(let message): return message
        case .failure(let error):
            let status = GRPCStatus(error)
            throw EtcdError(EtcdError.Code(status), status.message, cause: error)
        }
    }
}
