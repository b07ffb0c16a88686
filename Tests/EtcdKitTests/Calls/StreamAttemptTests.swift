// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// Calls that are answered by a stream are tried again by the same rules as others, until their first answer is there.
@Suite("EtcdClient: attempts at a stream", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct StreamAttemptTests {
    /// Reads all parts of a stream of entries.
    private func read(_ client: EtcdClient) async throws -> Int {
        let stream = try await client.stream(Wire.rangeStream, Wire.RangeRequest(.all, RangeOptions()))
        var count = 0
        while try await stream.next() != nil { count += 1 }
        return count
    }

    private func answer(_ exchange: HTTP2ServerExchange, parts: Int = 1) {
        exchange.send(HTTP2ServerExchange.grpcHeaders)
        for _ in 0..<parts { exchange.send(Wire.RangeStreamResponse(part: RangeResponse())) }
        exchange.end(trailers: [("grpc-status", "0")])
    }

    private func isReady(_ client: EtcdClient, _ count: Int) async throws {
        _ = try await client.put("k", "v")
        try await eventually("all are connected") { client.core.channel.links.count == count }
    }

    private func suspicions(in log: EventLog) -> [String] {
        log.events.compactMap { if case .suspected(let endpoint, _) = $0 { endpoint.description } else { nil } }
    }

    @Test("a refused stream is opened at another endpoint; the call begins and ends once, with its answers' size")
    func retried() async throws {
        let members = [try FakeMember(), try FakeMember()]
        let log = EventLog()
        var isFirst = true
        try await FakeMember.with(members, { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            for member in members {
                member.onCall = { exchange in
                    if isFirst {
                        exchange.refuse(.unknown, "etcdserver: too many requests")
                    } else {
                        answer(exchange, parts: 3)
                    }
                    isFirst = false
                }
            }
            let before = log.events.count
            #expect(try await read(client) == 3)
            var calls: [EtcdClient.Call] = []
            var outcome: EtcdClient.CallOutcome?
            var retries: [EtcdError.Code] = []
            for event in log.events[before...] {
                switch event {
                case .callStarted(let call): calls.append(call)
                case .callRetried(let call, _, let error):
                    calls.append(call)
                    retries.append(error.code)
                case .callFinished(let call, let end):
                    calls.append(call)
                    outcome = end
                default: break
                }
            }
            #expect(retries == [.tooManyRequests])
            #expect(calls.count == 3 && Set(calls).count == 1)
            #expect(calls.first?.method == Wire.rangeStream.path)
            #expect(outcome?.attempts == 2 && outcome?.code == nil && (outcome?.responseSize ?? 0) >= 3 * 5)
        }
    }

    @Test("a stream that is given up has ended as cancelled; one that fails, with its code")
    func endings() async throws {
        let member = try FakeMember()
        let log = EventLog()
        func codes() -> [EtcdError.Code?] {
            log.events.compactMap { if case .callFinished(_, let outcome) = $0 { .some(outcome.code) } else { nil } }
        }
        try await FakeMember.with([member], { log.attach(to: &$0) }) { client in
            member.onCall = { exchange in
                exchange.send(HTTP2ServerExchange.grpcHeaders)
                exchange.send(Wire.RangeStreamResponse(part: RangeResponse()))
            }
            do {
                let stream = try await client.stream(Wire.rangeStream, Wire.RangeRequest(.all, RangeOptions()))
                _ = try await stream.next()
                #expect(codes().isEmpty)
            }
            try await eventually("its end is reported") { codes() == [.cancelled] }
            member.onCall = { $0.refuse(.permissionDenied, "etcdserver: permission denied") }
            await expectError(.permissionDenied) { try await read(client) }
            #expect(codes() == [.cancelled, .permissionDenied])
        }
    }

    @Test("when all have failed, there are pauses, and the deadline holds")
    func pauses() async throws {
        let members = [try FakeMember(), try FakeMember()]
        try await FakeMember.with(
            members,
            { $0.retry.backoff = Backoff(initial: .seconds(20), maximum: .seconds(20), jitter: 0) }
        ) { client in
            try await isReady(client, 2)
            let before = members.map(\.callCount).reduce(0, +)
            for member in members { member.onCall = { $0.refuse(.unavailable, "etcdserver: no leader") } }
            await expectError(.noLeader) { try await read(client) }
            // Two members in two rounds; the next one would be after the deadline.
            #expect(members.map(\.callCount).reduce(0, +) == before + 4)
        }
    }

    @Test(
        "an endpoint whose answer says that it cannot serve is suspected",
        arguments: [
            "etcdserver: request timed out", "etcdserver: server stopped", "etcdserver: no leader",
        ]
    )
    func suspected(text: String) async throws {
        let members = [try FakeMember(), try FakeMember()]
        let log = EventLog()
        try await FakeMember.with(members, { log.attach(to: &$0) }) { client in
            try await isReady(client, 2)
            members[0].onCall = { $0.refuse(.unavailable, text) }
            members[1].onCall = { answer($0) }
            for _ in 0..<2 { #expect(try await read(client) == 1) }
            try await eventually("it is suspected") { suspicions(in: log) == [members[0].address] }
        }
    }

    @Test("a stream that gets no answer goes to the next endpoint, and later calls avoid the first")
    func stalled() async throws {
        let members = [try FakeMember(), try FakeMember()]
        let log = EventLog()
        try await FakeMember.with(
            members,
            {
                log.attach(to: &$0)
                $0.retry.attemptTimeout = .milliseconds(200)
            }
        ) { client in
            try await isReady(client, 2)
            members[0].onCall = { _ in }
            members[1].onCall = { answer($0) }
            let start = ContinuousClock.now
            for _ in 0..<2 { #expect(try await read(client) == 1) }
            #expect(ContinuousClock.now - start < .seconds(5), "half the time that the calls have")
            #expect(suspicions(in: log) == [members[0].address])
        }
    }

    @Test("events of concurrent calls are distinguished by the call's ID")
    func identity() async throws {
        let member = try FakeMember()
        let log = EventLog()
        try await FakeMember.with([member], { log.attach(to: &$0) }) { client in
            await withTaskGroup(of: Void.self) { group in
                for _ in 0..<50 { group.addTask { _ = try? await client.put("k", "v") } }
            }
            let started = log.events.compactMap { if case .callStarted(let call) = $0 { call.id } else { nil } }
            let finished = log.events.compactMap { if case .callFinished(let call, _) = $0 { call.id } else { nil } }
            #expect(Set(started).count == 50 && started.count == 50)
            #expect(finished.sorted() == started.sorted())
        }
    }
}
