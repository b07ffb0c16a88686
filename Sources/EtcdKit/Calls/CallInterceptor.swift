// SPDX-License-Identifier: Apache-2.0

/// Takes part in the calls of a client: for traces, for measurements, for fields that change from call to call, or to
/// refuse calls.
///
/// ```swift
/// struct Tracing: CallInterceptor {
///     func intercept(
///         _ call: EtcdClient.Call,
///         metadata: CallMetadata,
///         next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
///     ) async throws {
///         await withSpan(call.method) { span in
///             var metadata = metadata
///             metadata["traceparent"] = span.traceparent
///             let outcome = await next(metadata)
///             if let code = outcome.code { span.fail("\(code)") }
///         }
///     }
/// }
/// ```
///
/// Interceptors are part of ``EtcdClient/Configuration/interceptors``. The first one is the outermost. They run in the task
/// that makes the call, so task-local values and cancellation reach them.
///
/// Interceptors see each call with one answer, and each call with a stream of answers, such as a snapshot. They see neither
/// the shared streams of watches and of lease renewals, nor the calls by which a client authenticates or examines members:
/// these carry the fields of ``EtcdClient/Configuration/metadata`` only.
public protocol CallInterceptor: Sendable {
    /// Makes a call by calling `next` once, and does its own work before and after that.
    ///
    /// If it throws or returns without calling `next`, nothing is sent, and the call throws ``EtcdError``: the one that was
    /// thrown, `cancelled` for a `CancellationError`, or ``EtcdError/Code/intercepted`` with the error as its cause. An
    /// error that is thrown after `next` has returned has no effect, since the call has been made.
    ///
    /// For a call with a stream of answers, `next` returns when the stream has begun; see ``streamEnded(_:_:)``.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - metadata: The fields that go with the call.
    ///   - next: Makes the call with these fields, with all repetitions, and returns its outcome. A second call of
    ///     `next` makes no second call, and returns the outcome of the first one, for which it waits.
    /// - Throws: Any error, to refuse the call.
    func intercept(
        _ call: EtcdClient.Call,
        metadata: CallMetadata,
        next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async throws

    /// A stream of answers that had begun has ended.
    ///
    /// It is called on any thread, and must not block. By default, it does nothing.
    ///
    /// - Parameters:
    ///   - call: The call, as ``intercept(_:metadata:next:)`` has seen it.
    ///   - outcome: The outcome of the whole call; its code is `cancelled` if the consumer dropped the stream.
    func streamEnded(_ call: EtcdClient.Call, _ outcome: EtcdClient.CallOutcome)
}

extension CallInterceptor {
    /// Does nothing.
    public func streamEnded(_ call: EtcdClient.Call, _ outcome: EtcdClient.CallOutcome) {}
}

/// A call on its way through the interceptors.
struct InterceptedCall<Success: Sendable>: Sendable {
    typealias Made = (result: Result<Success, EtcdError>, outcome: EtcdClient.CallOutcome)

    private struct Progress {
        /// How many interceptors, and in the end the call itself, have begun.
        var begun = 0
        var made: Made?
    }

    let call: EtcdClient.Call
    let interceptors: [any CallInterceptor]
    let make: @Sendable (CallMetadata) async -> Made
    private let progress = SharedState(Progress())

    /// Makes the call through all interceptors.
    func run(_ metadata: CallMetadata) async throws(EtcdError) -> Success {
        _ = await run(metadata, from: 0)
        guard let made = progress.withLock({ $0.made }) else { throw EtcdError(.intercepted, "the call was not made") }
        return try made.result.get()
    }

    private func run(_ metadata: CallMetadata, from index: Int) async -> EtcdClient.CallOutcome {
        let isFirst = progress.withLock { progress in
            defer { progress.begun = max(progress.begun, index + 1) }
            return index == progress.begun
        }
        guard isFirst else {
            let outcome = try? await progress.wait { $0.made?.outcome }
            return outcome ?? EtcdClient.CallOutcome(.cancelled)
        }
        guard index < interceptors.count else { return note(await make(metadata)) }
        let interceptor = interceptors[index]
        let refusal: EtcdError
        do {
            try await interceptor.intercept(call, metadata: metadata) { await run($0, from: index + 1) }
            refusal = EtcdError(.intercepted, "\(type(of: interceptor)) has not made the call \(call.method)")
        } catch let error as EtcdError {
            refusal = error
        } catch is CancellationError {
            refusal = .cancelledTask
        } catch {
            let text = "\(type(of: interceptor)) has refused the call \(call.method)"
            refusal = EtcdError(.intercepted, text, cause: error)
        }
        return note((.failure(refusal), EtcdClient.CallOutcome(refusal.code)))
    }

    /// Only the first outcome counts.
    private func note(_ made: Made) -> EtcdClient.CallOutcome {
        progress.update { progress in
            let first = progress.made ?? made
            progress.made = first
            return first.outcome
        }
    }
}

extension EtcdClient.CallOutcome {
    /// The outcome of a call that was not sent.
    init(_ code: EtcdError.Code) {
        self.init(endpoint: nil, attempts: 0, duration: .zero, responseSize: 0, code: code)
    }
}
