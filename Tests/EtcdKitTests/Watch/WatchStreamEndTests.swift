// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// The watches of a stream that a server ends.
@Suite("Watch: streams that end", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct WatchStreamEndTests {
    /// The first event of a watch of a key.
    private func first(_ key: String, _ client: EtcdClient) -> Task<WatchEvent?, any Error> {
        Task {
            for try await event in client.watch(.key(Key(key)), from: 5) { return event }
            return nil
        }
    }

    @Test(
        "an answer that is not known ends no watch: all of them go on at another stream",
        arguments: [GRPCStatus.Code.unknown, .internal, .aborted, .dataLoss, .cancelled, .resourceExhausted]
    )
    func unknownAnswer(code: GRPCStatus.Code) async throws {
        let server = try WatchServer()
        try await server.with { client in
            let watches = ["a", "b"].map { first($0, client) }
            try await eventually("the watches are there") { server.creations.count == 2 }
            #expect(server.openings.count == 1)
            server.creations[0].stream.end(
                trailers: [("grpc-status", "\(code.rawValue)"), ("grpc-message", "something new")]
            )
            try await eventually("they are there again") { server.creations.count == 4 }
            #expect(server.openings.count == 2)
            #expect(server.creations[2...].allSatisfy { $0.request.startRevision == 5 })
            for creation in server.creations[2...] { creation.put("x", at: 7) }
            for (key, watch) in zip(["a", "b"], watches) {
                let event = try await watch.value
                #expect(event?.key == Key(key) && event?.revision == 7)
            }
        }
    }

    @Test("watches that begin one after the other share a stream")
    func joining() async throws {
        let server = try WatchServer()
        try await server.with { client in
            let held = first("a", client)
            try await eventually("the watch is there") { server.newest(of: "a") != nil }
            // The stream counts as answered once one of its events was taken.
            for (number, key) in ["b", "c", "d"].enumerated() {
                let watch = first(key, client)
                try await eventually("the watch is there") { server.newest(of: key) != nil }
                server.newest(of: key)?.put("x", at: Revision(rawValue: Int64(number) + 7))
                #expect(try await watch.value?.key == Key(key))
            }
            #expect(server.openings.count == 1)
            server.newest(of: "a")?.put("x", at: 20)
            #expect(try await held.value?.revision == 20)
        }
    }

    @Test("the refusal of a watch that was cancelled before it came does not end the watch after it")
    func lateRefusal() async throws {
        let server = try WatchServer()
        server.onCreation = { if $0.key == "held" { $0.confirm() } }
        try await server.with { client in
            // Keeps the stream open.
            let held = first("held", client)
            try await eventually("it is there") { server.newest(of: "held") != nil }
            let refused = first("refused", client)
            try await eventually("the watch is asked for") { server.newest(of: "refused") != nil }
            refused.cancel()
            await expectError(.cancelled) { try await refused.value }
            try await eventually("it is cancelled") { server.cancellations.count == 1 }
            let allowed = first("allowed", client)
            try await eventually("the next one is asked for") { server.newest(of: "allowed") != nil }
            server.newest(of: "refused")?.refuse("etcdserver: permission denied")
            server.newest(of: "allowed")?.confirm()
            for key in ["allowed", "held"] { server.newest(of: key)?.put("x", at: 7) }
            #expect(try await allowed.value?.revision == 7)
            #expect(try await held.value?.revision == 7)
            #expect(server.openings.count == 1)
        }
    }

    @Test("a watch waits for a server that cannot authenticate its user just then")
    func lateToken() async throws {
        let server = try WatchServer()
        var refusals = 0
        server.onCall = { exchange in
            if refusals < 3 {
                refusals += 1
                exchange.refuse(.unavailable, "the server is busy")
            } else {
                exchange.answer(with: Wire.AuthenticateResponse(token: "token"))
            }
        }
        try await server.with {
            $0.credentials = .user("worker", password: "secret")
            $0.retry = .never
            $0.backoff.maximum = .milliseconds(50)
        } _: { client in
            let watch = first("a", client)
            try await eventually("the watch is there") { server.newest(of: "a") != nil }
            #expect(refusals == 3)
            server.newest(of: "a")?.put("x", at: 7)
            #expect(try await watch.value?.revision == 7)
        }
    }

    @Test(
        "no watch ends when a proxy answers a stream in HTTP, for example while it reads its routes anew",
        arguments: ["401", "403", "404"],
        [false, true]
    )
    func proxy(status: String, hasBody: Bool) async throws {
        let server = try WatchServer()
        server.onOpening = { exchange, number in
            if number == 1 { exchange.answerAsProxy(status, hasBody: hasBody) }
            return number > 1
        }
        server.onCreation = { creation in
            creation.confirm()
            creation.put("x", at: 7)
        }
        try await server.with { client in
            let event = try await first("a", client).value
            #expect(event?.revision == 7)
            #expect(server.openings.count == 2)
        }
    }

    @Test("the control: a server that has no watches ends them")
    func unimplemented() async throws {
        let server = try WatchServer()
        server.onOpening = { exchange, _ in
            exchange.refuse(.unimplemented, "unknown service etcdserverpb.Watch")
            return false
        }
        try await server.with { client in
            let watches = ["a", "b"].map { first($0, client) }
            for watch in watches { await expectError(.unimplemented) { try await watch.value } }
        }
    }

    @Test(
        "of many watches, only the watch whose answer is too large ends, after few streams",
        arguments: [1, 2, 9, 60]
    )
    func tooLarge(count: Int) async throws {
        let server = try WatchServer()
        let keys = (0..<count).map { "k\(100 + $0)" }
        let large = keys[count * 2 / 3]
        server.onCreation = { creation in
            creation.confirm()
            if creation.key == large { creation.put(Value(String(repeating: "x", count: 20_000)), at: 6) }
        }
        try await server.with {
            $0.maximumMessageSize = 10_000
            $0.backoff.maximum = .milliseconds(50)
        } _: { client in
            let watches = keys.map { first($0, client) }
            for (key, watch) in zip(keys, watches) where key == large {
                await expectError(.responseTooLarge) { try await watch.value }
            }
            // The other watches of the same stream are created again.
            try await eventually("the others are there") {
                keys.allSatisfy { key in
                    key == large || server.newest(of: key).map { $0.stream.closeCode == nil } ?? false
                }
            }
            for key in keys where key != large { server.newest(of: key)?.put("small", at: 7) }
            for (key, watch) in zip(keys, watches) where key != large {
                #expect(try await watch.value?.entry.value == "small")
            }
            // Two more for each time that the watches are halved.
            #expect(server.openings.count <= 1 + 2 * 7)
        }
    }

    @Test("a watch whose revision does not end gets responseTooLarge, and is cancelled at the server")
    func endlessRevision() async throws {
        let server = try WatchServer()
        server.onCreation = { creation in
            creation.confirm()
            guard creation.key == "endless" else { return }
            let value = Value(String(repeating: "x", count: 500))
            for _ in 0..<20 { creation.put(value, at: 6, isFragment: true) }
        }
        try await server.with {
            $0.maximumMessageSize = 1_000
        } _: { client in
            let other = first("other", client)
            try await eventually("the other watch is there") { server.newest(of: "other") != nil }
            await expectError(.responseTooLarge) { try await first("endless", client).value }
            try await eventually("it is cancelled") { server.cancellations.count == 1 }
            server.newest(of: "other")?.put("x", at: 7)
            #expect(try await other.value?.revision == 7)
            #expect(server.openings.count == 1)
        }
    }

    @Test("pauses between failed streams grow, until a stream carries events")
    func pauses() async throws {
        let server = try WatchServer()
        server.onOpening = { exchange, number in
            if number == 6 { return true }
            exchange.refuse(.unknown, "something new")
            return false
        }
        server.onCreation = { creation in
            creation.confirm()
            creation.put("x", at: 7)
            creation.stream.end(trailers: [("grpc-status", "2"), ("grpc-message", "something new")])
        }
        try await server.with {
            $0.backoff = Backoff(initial: .milliseconds(50), maximum: .seconds(30), multiplier: 3, jitter: 0)
        } _: { client in
            let watch = first("a", client)
            let holding = Task { for try await _ in client.watch(.key("b"), from: 5) {} }
            try await eventually(within: .seconds(20), "streams are tried") { server.openings.count >= 7 }
            let times = server.openings
            let gaps = zip(times, times.dropFirst()).map { $0.duration(to: $1) }
            // None at first, then 50 ms, 150 ms, 450 ms and 1350 ms; less what passes between the end and its arrival.
            for (gap, least) in zip(gaps[1...4], [40, 140, 440, 1340]) { #expect(gap >= .milliseconds(least)) }
            // The next would be 4 s.
            #expect(gaps[5] < .seconds(3))
            #expect(try await watch.value?.revision == 7)
            holding.cancel()
            await expectError(.cancelled) { try await holding.value }
        }
    }
}
