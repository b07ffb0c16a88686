// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// A scripted server of leases: revokes whatever it is asked to, makes tokens, and does with renewals what a test says.
@EventLoop
final class LeaseServer {
    /// A renewal that has arrived.
    struct Renewal {
        let id: Int64
        /// How often this lease was to be renewed so far, with this time.
        let number: Int
        let stream: HTTP2ServerExchange
        /// How many streams there were so far, with this one.
        let streamNumber: Int

        @EventLoop
        func answer(timeToLive: Int64) { LeaseServer.answer(id, timeToLive: timeToLive, on: stream) }
    }

    private(set) var renewals: [Renewal] = []
    private(set) var streams: [HTTP2ServerExchange] = []
    /// How many renewals have come in each buffer.
    private(set) var bursts: [Int] = []
    private(set) var tokens = 0
    /// The treatment of a stream of a number, from 1; false for one that it has answered.
    var onOpening: @EventLoop (HTTP2ServerExchange, Int) -> Bool = { _, _ in true }
    private var server: FakeServer?

    init(_ onRenewal: @escaping @EventLoop (Renewal) -> Void) throws {
        server = try FakeServer(
            .http2(.init()) { [weak self] _, exchange, event in
                guard let self else { return }
                switch (exchange.headers[":path"], event) {
                case (Wire.leaseKeepAlive.path, .headers):
                    streams.append(exchange)
                    if onOpening(exchange, streams.count) { exchange.send(HTTP2ServerExchange.grpcHeaders) }
                case (Wire.leaseKeepAlive.path, .data):
                    receive(exchange, onRenewal)
                case (Wire.authenticate.path, .end):
                    tokens += 1
                    var response = Wire.AuthenticateResponse()
                    response.token = "token-\(tokens)"
                    exchange.answer(with: response)
                case (_, .end):
                    exchange.answer()
                default:
                    break
                }
            }
        )
    }

    func client(_ configure: (inout EtcdClient.Configuration) -> Void = { _ in }) throws -> EtcdClient {
        var configuration = try EtcdClient.Configuration(endpoints: server?.address ?? "")
        configure(&configuration)
        return try EtcdClient(configuration)
    }

    func stop() { server?.stop() }

    static func answer(_ id: Int64, timeToLive: Int64, on stream: HTTP2ServerExchange) {
        var response = Wire.LeaseKeepAliveResponse()
        response.id = id
        response.timeToLive = timeToLive
        stream.send(response)
    }

    private func receive(_ stream: HTTP2ServerExchange, _ onRenewal: @EventLoop (Renewal) -> Void) {
        let requests = stream.takeMessages(Wire.LeaseRequest.self)
        bursts.append(requests.count)
        for request in requests {
            let number = renewals.count { $0.id == request.id } + 1
            renewals.append(Renewal(id: request.id, number: number, stream: stream, streamNumber: streams.count))
            if let newest = renewals.last { onRenewal(newest) }
        }
    }
}
