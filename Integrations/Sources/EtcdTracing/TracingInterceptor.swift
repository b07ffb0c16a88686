// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Tracing

extension EtcdClient.Configuration {
    /// Makes a span of each call, as part of the span of the task that makes the call.
    ///
    /// - Parameter tracer: Makes the spans; nil for the one of `InstrumentationSystem`, once it is bootstrapped.
    public mutating func traceCalls(with tracer: (any Tracer)? = nil) {
        interceptors.append(TracingInterceptor(tracer: tracer))
    }
}

/// Makes a span of each call, and sends the trace's context along with it.
///
/// A span has the name of the gRPC method, such as `etcdserverpb.KV/Put`, and the attributes `rpc.system`, `rpc.service`,
/// `rpc.method`, `server.address`, `server.port`, `etcd.attempts` and, after a failure, `error.type` with the code of the
/// error. It has neither keys nor values. The span of a call with a stream of answers ends when the stream has begun.
public struct TracingInterceptor: CallInterceptor {
    private let tracer: (any Tracer)?

    /// Makes an interceptor for `EtcdClient.Configuration.interceptors`.
    ///
    /// - Parameter tracer: Makes the spans; nil for the one of `InstrumentationSystem`, once it is bootstrapped.
    public init(tracer: (any Tracer)? = nil) { self.tracer = tracer }

    /// Makes a call within a span.
    ///
    /// - Parameters:
    ///   - call: The call.
    ///   - metadata: The fields of the call.
    ///   - next: Makes the call.
    public func intercept(
        _ call: EtcdClient.Call,
        metadata: CallMetadata,
        next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async {
        let tracer: any Tracer = tracer ?? InstrumentationSystem.tracer
        await trace(call, metadata, with: tracer, next)
    }

    private func trace(
        _ call: EtcdClient.Call,
        _ metadata: CallMetadata,
        with tracer: some Tracer,
        _ next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
    ) async {
        let parts = call.method.split(separator: "/")
        await tracer.withSpan(parts.joined(separator: "/"), ofKind: .client) { span in
            var metadata = metadata
            tracer.inject(span.context, into: &metadata, using: MetadataInjector())
            let outcome = await next(metadata)
            span.updateAttributes { attributes in
                attributes["rpc.system"] = "grpc"
                attributes["rpc.service"] = parts.first.map { String($0) }
                attributes["rpc.method"] = parts.last.map { String($0) }
                attributes["server.address"] = outcome.endpoint?.host
                attributes["server.port"] = outcome.endpoint.map { Int($0.port) }
                attributes["etcd.attempts"] = outcome.attempts
                attributes["error.type"] = outcome.code?.description
            }
            if let code = outcome.code { span.setStatus(SpanStatus(code: .error, message: code.description)) }
        }
    }
}

/// Puts the context of a trace into the fields of a call.
private struct MetadataInjector: Injector {
    func inject(_ value: String, forKey key: String, into metadata: inout CallMetadata) {
        // A field that cannot be sent must not make the call fail. `CallMetadata` allows spaces, but not at the ends.
        let isText = value.utf8.allSatisfy { (0x20...0x7e).contains($0) }
        if isText && !value.hasPrefix(" ") && !value.hasSuffix(" ") { metadata[key] = value }
    }
}
