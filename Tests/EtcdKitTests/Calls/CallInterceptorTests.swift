// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// The state that a tracing library keeps in the task.
private enum Trace {
    @TaskLocal static var id: String?
}

@Suite("Call interceptors", .cluster, .timeLimit(.minutes(1)))
@EventLoop
struct CallInterceptorTests {
    private struct Refusal: Error {}

    /// An interceptor that is a closure, and records its calls.
    private final class Probe: CallInterceptor {
        typealias Next = @Sendable (CallMetadata) async -> EtcdClient.CallOutcome

        let seen = Lock<[EtcdClient.CallOutcome]>([])
        let ended = Lock<[EtcdClient.CallOutcome]>([])
        let body: @Sendable (EtcdClient.Call, CallMetadata, Next) async throws -> EtcdClient.CallOutcome?

        init(
            _ body: @escaping @Sendable (EtcdClient.Call, CallMetadata, Next) async throws -> EtcdClient.CallOutcome? =
                {
                    await $2($1)
                }
        ) {
            self.body = body
        }

        func intercept(_ call: EtcdClient.Call, metadata: CallMetadata, next: Next) async throws {
            guard let outcome = try await body(call, metadata, next) else { return }
            seen.withLock { $0.append(outcome) }
        }

        func streamEnded(_ call: EtcdClient.Call, _ outcome: EtcdClient.CallOutcome) {
            ended.withLock { $0.append(outcome) }
        }
    }

    private func withMember(
        _ interceptors: [any CallInterceptor],
        metadata: CallMetadata = [:],
        _ body: @EventLoop (EtcdClient, FakeMember, @EventLoop () -> [[String: String]]) async throws -> Void
    ) async throws {
        let member = try FakeMember()
        var headers: [[String: String]] = []
        member.onCall = { exchange in
            let fields = ["a", "b", "traceparent", "token"].compactMap { name in
                exchange.headers[name].map { (name, $0) }
            }
            headers.append(Dictionary(uniqueKeysWithValues: fields))
            exchange.answer()
        }
        try await FakeMember.with(
            [member],
            {
                $0.interceptors = interceptors
                $0.metadata = metadata
            },
            { client in try await body(client, member) { headers } }
        )
    }

    @Test("fields of the configuration, of a client and of interceptors go with the call, in this order")
    func metadata() async throws {
        let outer = Probe { _, metadata, next in
            #expect(metadata == ["a": "1", "b": "2"])
            var metadata = metadata
            metadata["traceparent"] = "outer"
            return await next(metadata)
        }
        let inner = Probe { _, metadata, next in
            var metadata = metadata
            metadata["traceparent"] = metadata["traceparent"].map { $0 + " inner" }
            return await next(metadata)
        }
        try await withMember([outer, inner], metadata: ["A": "1"]) { client, _, headers in
            try await client.with(metadata: ["b": "2"]).put("k", "v")
            #expect(headers() == [["a": "1", "b": "2", "traceparent": "outer inner"]])
        }
    }

    @Test("an interceptor sees the method, the outcome and the code of a call, in the task of the call")
    func outcomes() async throws {
        let traces = Lock<[String?]>([])
        let probe = Probe { call, metadata, next in
            #expect(call.method == "/etcdserverpb.KV/Put" && call.requestSize > 5)
            traces.withLock { $0.append(Trace.id) }
            return await next(metadata)
        }
        try await withMember([probe]) { client, member, _ in
            try await Trace.$id.withValue("t1") { try await client.put("k", "v") }
            member.onCall = { $0.refuse(.permissionDenied, "etcdserver: permission denied") }
            await expectError(.permissionDenied) { try await client.put("k", "v") }
            #expect(traces.withLock { $0 } == ["t1", nil])
            let outcomes = probe.seen.withLock { $0 }
            #expect(outcomes.map(\.code) == [nil, .permissionDenied])
            #expect(outcomes.map(\.attempts) == [1, 1])
            let endpoint = try Endpoint(member.address)
            #expect(outcomes[0].endpoint == endpoint && outcomes[0].duration > .zero)
        }
    }

    @Test("a refused call is not sent, and outer interceptors see the refusal")
    func refusal() async throws {
        let outer = Probe()
        for (thrown, code) in [
            (Refusal(), .intercepted), (CancellationError(), .cancelled),
            (EtcdError(.permissionDenied, "no"), .permissionDenied), (nil, .intercepted),
        ] as [((any Error)?, EtcdError.Code)] {
            let inner = Probe { _, _, _ in
                if let thrown { throw thrown }
                return nil
            }
            try await withMember([outer, inner]) { client, member, _ in
                await expectError(code) { try await client.put("k", "v") }
                #expect(member.callCount == 0)
                #expect(outer.seen.withLock { $0.last?.code } == code)
            }
        }
    }

    @Test("a call is made once, whatever an interceptor does afterwards")
    func once() async throws {
        let twice = Probe { _, metadata, next in
            let first = await next(metadata)
            let second = await next(metadata)
            #expect(second == first)
            throw Refusal()
        }
        try await withMember([twice]) { client, member, _ in
            try await client.put("k", "v")
            #expect(member.callCount == 1)
        }
    }

    @Test("a call is made once, also if interceptors call next twice at a time")
    func onceAtATime() async throws {
        let twice = {
            Probe { _, metadata, next in
                async let first = next(metadata)
                async let second = next(metadata)
                let outcomes = await (first, second)
                #expect(outcomes.0 == outcomes.1)
                return outcomes.0
            }
        }
        let (outer, inner) = (twice(), twice())
        try await withMember([outer, inner]) { client, member, _ in
            try await client.put("k", "v")
            #expect(member.callCount == 1)
            for probe in [outer, inner] { #expect(probe.seen.withLock { $0.map(\.attempts) } == [1]) }
        }
    }

    @Test("an interceptor sees the beginning and the end of a stream of answers")
    nonisolated func streams() async throws {
        try await withPrivateEtcd { _, cluster in
            let probe = Probe()
            var configuration = try EtcdClient.Configuration(endpoints: cluster.endpoints)
            configuration.interceptors = [probe]
            try await withEtcdClient(configuration) { client in
                var byteCount = 0
                for try await chunk in client.maintenance.snapshotChunks(from: client.configuration.endpoints[0]) {
                    byteCount += chunk.bytes.count
                }
                #expect(byteCount > 0)
            }
            #expect(probe.seen.withLock { $0 }.map(\.code) == [nil])
            let ended = probe.ended.withLock { $0 }
            #expect(ended.count == 1 && ended[0].code == nil && ended[0].responseSize > 0)
        }
    }

    @Test(
        "fields that cannot be sent are refused",
        arguments: [
            ["token": "x"], ["grpc-timeout": "1S"], [":path": "/"], ["a b": "c"], ["": "c"], ["a": "two\nlines"],
            ["a": "späce"], ["te": "x"], ["a-Bin": "x"], ["a": " x"], ["a": String(repeating: "x", count: 9000)],
        ] as [CallMetadata]
    )
    func invalid(metadata: CallMetadata) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: "127.0.0.1:1")
        configuration.metadata = metadata
        #expect(throws: EtcdError.self) { try EtcdClient(configuration) }
        let probe = Probe { _, _, next in await next(metadata) }
        try await withMember([probe]) { client, member, _ in
            await expectError(.invalidArgument) { try await client.put("k", "v") }
            #expect(member.callCount == 0)
        }
        try await withMember([]) { client, member, _ in
            await expectError(.invalidArgument) { try await client.with(metadata: metadata).get("k") }
            #expect(member.callCount == 0)
        }
    }

    @Test("descriptions contain no values of fields")
    func descriptions() {
        let metadata: CallMetadata = ["Authorization": "secret"]
        var dumped = ""
        dump(metadata, to: &dumped)
        for text in ["\(metadata)", dumped, String(reflecting: metadata)] {
            #expect(!text.contains("secret") && text.contains("authorization"))
        }
    }
}
