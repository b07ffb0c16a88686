// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import EtcdTracing
import InMemoryTracing
import Testing
import Tracing

@Suite("EtcdTracing", .timeLimit(.minutes(2)))
struct TracingTests {
    @Test("Configuration.traceCalls makes a span of each call, within the caller's span")
    func spans() async throws {
        let tracer = InMemoryTracer()
        try await withEtcd {
            $0.traceCalls(with: tracer)
        } _: { client, _ in
            try await tracer.withSpan("request") { _ in _ = try await client.put("secret-key", "secret-value") }
        }
        let spans = tracer.finishedSpans
        #expect(spans.map(\.operationName) == ["etcdserverpb.KV/Put", "request"])
        let span = try #require(spans.first)
        #expect(span.kind == .client)
        #expect(span.spanContext.parentSpanID == spans.last?.spanContext.spanID)
        #expect(span.attributes.get("rpc.service") == .string("etcdserverpb.KV"))
        #expect(span.attributes.get("rpc.method") == .string("Put"))
        #expect(span.attributes.get("server.address") == .string("127.0.0.1"))
        #expect(span.attributes.get("etcd.attempts") == .int64(1))
        #expect(span.status == nil)
        #expect(!"\(spans)".contains("secret"))
        // The server gets the context.
        #expect(tracer.performedContextInjections.first?.values[InMemoryTracer.spanIDKey] == span.spanContext.spanID)
    }

    @Test("Configuration.traceCalls records errors by their codes")
    func errors() async throws {
        let tracer = InMemoryTracer()
        try await withEtcd {
            $0.traceCalls(with: tracer)
        } _: { client, _ in
            await #expect(throws: EtcdError.self) { try await client.put("k", "v", lease: Lease.ID(rawValue: 4711)) }
        }
        let span = try #require(tracer.finishedSpans.first)
        #expect(span.status?.code == .error)
        #expect(span.attributes.get("error.type") == .string("leaseNotFound"))
    }

    @Test(
        "TracingInterceptor sends a context with spaces, leaves out one that cannot be sent, and the call succeeds",
        arguments: [("träce", "spän"), (" outer", "outer "), ("a=1, b=2", "c")]
    )
    func strangeContext(trace: String, span: String) async throws {
        let tracer = InMemoryTracer(idGenerator: .init(nextTraceID: { trace }, nextSpanID: { span }))
        let fields = FieldRecorder()
        try await withEtcd {
            $0.traceCalls(with: tracer)
            $0.interceptors.append(fields)
        } _: { client, _ in
            try await client.put("k", "v")
        }
        #expect(tracer.finishedSpans.count == 1)
        #expect(fields.values.all == (span == "c" ? [trace, span] : []))
    }

    /// Records the values of the fields of calls.
    private struct FieldRecorder: CallInterceptor {
        let values = Record<String>()

        func intercept(
            _ call: EtcdClient.Call,
            metadata: CallMetadata,
            next: @Sendable (CallMetadata) async -> EtcdClient.CallOutcome
        ) async {
            for field in metadata.fields { values.add(field.value) }
            _ = await next(metadata)
        }
    }
}
