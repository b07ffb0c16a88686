// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A scripted server of watches: treats each stream, and each watch that is created on it, as a test says.
@EventLoop
final class WatchServer {
    /// A watch that the client has asked for.
    struct Creation {
        let request: Wire.WatchCreateRequest
        let stream: HTTP2ServerExchange

        var key: String { String(decoding: request.key, as: UTF8.self) }

        @EventLoop
        func confirm() {
            var response = Wire.WatchResponse()
            response.header.revision = 1
            response.watchID = request.watchID
            response.created = true
            stream.send(response)
        }

        /// Refuses the watch as etcd does, without its number.
        @EventLoop
        func refuse(_ reason: String) {
            var response = Wire.WatchResponse()
            response.header.revision = 1
            response.watchID = -1
            response.created = true
            response.canceled = true
            response.cancelReason = reason
            stream.send(response)
        }

        /// Says of all watches of the stream that there are no more changes up to `revision`.
        @EventLoop
        func reportProgress(at revision: Revision) {
            var response = Wire.WatchResponse()
            response.header.revision = revision
            response.watchID = -1
            stream.send(response)
        }

        @EventLoop
        func put(_ value: Value, at revision: Revision, isFragment: Bool = false) {
            var entry = KeyValue()
            entry.key = Key(bytes: request.key)
            entry.value = value
            entry.createRevision = revision
            entry.modRevision = revision
            entry.version = 1
            var response = Wire.WatchResponse()
            response.header.revision = revision
            response.watchID = request.watchID
            response.events = [WatchEvent(putOf: entry)]
            response.fragment = isFragment
            stream.send(response)
        }
    }

    /// When each stream was opened.
    private(set) var openings: [ContinuousClock.Instant] = []
    private(set) var creations: [Creation] = []
    /// The numbers of the watches that the client has cancelled.
    private(set) var cancellations: [Int64] = []
    /// How often the client has asked for the progress of a stream; the server does not answer by itself.
    private(set) var progressRequests = 0
    /// The treatment of a stream of a number, from 1; false ends it at once.
    var onOpening: @EventLoop (HTTP2ServerExchange, Int) -> Bool = { _, _ in true }
    /// The treatment of a watch.
    var onCreation: @EventLoop (Creation) -> Void = { $0.confirm() }
    /// Answers the calls that are no watches.
    var onCall: @EventLoop (HTTP2ServerExchange) -> Void = { $0.answer() }
    private var server: FakeServer?

    init() throws {
        server = try FakeServer(
            .http2(.init()) { [weak self] _, exchange, event in
                guard let self else { return }
                switch (exchange.headers[":path"], event) {
                case (Wire.watch.path, .headers):
                    openings.append(.now)
                    if onOpening(exchange, openings.count) { exchange.send(HTTP2ServerExchange.grpcHeaders) }
                case (Wire.watch.path, .data):
                    for request in exchange.takeMessages(Wire.WatchRequest.self) {
                        if let cancel = request.cancel { cancellations.append(cancel.watchID) }
                        if request.progress != nil { progressRequests += 1 }
                        guard let create = request.create else { continue }
                        let creation = Creation(request: create, stream: exchange)
                        creations.append(creation)
                        onCreation(creation)
                    }
                case (_, .end) where exchange.headers[":path"] != Wire.watch.path: onCall(exchange)
                default: break
                }
            }
        )
    }

    /// The newest watch of a key.
    func newest(of key: String) -> Creation? { creations.last { $0.key == key } }

    /// Lends a client of the server to `body`.
    func with(
        _ configure: (inout EtcdClient.Configuration) -> Void = { _ in },
        _ body: @EventLoop (EtcdClient) async throws -> Void
    ) async throws {
        var configuration = try EtcdClient.Configuration(endpoints: server?.address ?? "")
        configure(&configuration)
        let client = try EtcdClient(configuration)
        defer { server?.stop() }
        do {
            try await body(client)
            await client.close()
        } catch {
            await client.close()
            throw error
        }
    }
}
