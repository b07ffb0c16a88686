// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("Watch: progress", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct WatchProgressTests {
    @Test("progress of the whole stream that overtakes an event does not lose the event (etcd#15220)")
    func overtaking() async throws {
        // Before 3.4.25 and 3.5.8, the answer to a request for progress may come ahead of the events that it covers.
        var creations = 0
        let server = try FakeServer(
            .http2(.init()) { connection, exchange, event in
                if event == .headers { exchange.send(HTTP2ServerExchange.grpcHeaders) }
                guard event == .data else { return }
                for request in exchange.takeMessages(Wire.WatchRequest.self) {
                    guard let create = request.create else { continue }
                    creations += 1
                    var response = Wire.WatchResponse()
                    response.header.revision = 9
                    response.watchID = create.watchID
                    response.created = true
                    exchange.send(response)
                    var progress = Wire.WatchResponse()
                    progress.header.revision = 9
                    progress.watchID = -1
                    if creations == 1 {
                        exchange.send(progress)
                        exchange.end(trailers: [("grpc-status", "14"), ("grpc-message", "stopped")])
                    } else {
                        #expect(create.startRevision == 5)
                        exchange.send(progress)
                        response.created = false
                        response.events = [WatchEvent(deletionOf: "k", at: 7)]
                        exchange.send(response)
                    }
                }
            }
        )
        defer { server.stop() }
        let client = try server.client()
        var events = client.watch(.key("k"), from: 5).makeAsyncIterator()
        #expect(try await events.next()?.revision == 7)
        #expect(creations == 2)
        await client.close()
    }

    @Test(
        "a requested report goes to the watches that were confirmed before the request, and not to one that follows it",
        arguments: [false, true]
    )
    func laterWatch(isConfirmedFirst: Bool) async throws {
        let server = try WatchServer()
        var options = WatchOptions()
        options.reportsProgress = true
        try await server.with { client in
            try await client.withWatch(.key("a"), from: 5, options: options) { earlier in
                await client.requestWatchProgress()
                try await eventually("the request has arrived") { server.progressRequests == 1 }
                // An answer that was ready before etcd knew the watch may come before and after the confirmation.
                server.onCreation = { creation in
                    if isConfirmedFirst { creation.confirm() }
                    creation.reportProgress(at: 9)
                    if !isConfirmedFirst { creation.confirm() }
                    creation.put("x", at: 7)
                }
                var later = client.watch(.key("b"), from: 5, options: options).batches.makeAsyncIterator()
                let first = try await later.next()
                #expect(first?.revision == 7 && first?.events.count == 1)
                var reports = earlier.batches.makeAsyncIterator()
                #expect(try await reports.next() == WatchBatch(revision: 9, events: []))
                // The next request is about both.
                await client.requestWatchProgress()
                server.newest(of: "b")?.reportProgress(at: 10)
                #expect(try await reports.next() == WatchBatch(revision: 10, events: []))
                #expect(try await later.next() == WatchBatch(revision: 10, events: []))
                #expect(server.openings.count == 1)
            }
        }
    }

    @Test("a request of the client's own that is not answered yet may get the answer that a user waits for")
    func probeRequest() async throws {
        let server = try WatchServer()
        var options = WatchOptions()
        options.reportsProgress = true
        try await server.with {
            $0.watchProbeInterval = .milliseconds(50)
        } _: { client in
            try await client.withWatch(.key("a"), from: 5, options: options) { _ in
                try await eventually("the client asks after a silence") { server.progressRequests == 1 }
                // The answer to this is on its way when the user's request is sent.
                try await client.withWatch(.key("b"), from: 5, options: options) { later in
                    await client.requestWatchProgress()
                    server.newest(of: "b")?.reportProgress(at: 9)
                    server.newest(of: "b")?.put("x", at: 7)
                    var later = later.batches.makeAsyncIterator()
                    let first = try await later.next()
                    #expect(first?.revision == 7)
                }
            }
        }
    }
}
