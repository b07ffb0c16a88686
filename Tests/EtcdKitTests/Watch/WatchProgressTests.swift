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
}
