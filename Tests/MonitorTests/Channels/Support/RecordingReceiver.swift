// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation

@testable import EtcdMonitorKit

/// An HTTP server that keeps all requests, and answers as a test says.
final class RecordingReceiver: Sendable {
    typealias Answer = @Sendable (HTTPRequest) async -> HTTPResponse

    private struct State {
        var requests: [HTTPRequest] = []
        var script: [HTTPResponse] = []
    }

    /// The scheme, the host and the port.
    let origin: String
    let port: UInt16
    private let state: Lock<State>

    private init(_ origin: String, _ port: UInt16, _ state: Lock<State>) {
        self.origin = origin
        self.port = port
        self.state = state
    }

    /// The requests so far, in their order.
    var requests: [HTTPRequest] { state.withLock { $0.requests } }

    /// The bodies of the requests so far.
    var bodies: [JSON] { get throws { try requests.map { try JSON($0.body) } } }

    /// Answers the next requests with these, before it answers as it was made to.
    func answer(_ responses: HTTPResponse...) { state.withLock { $0.script += responses } }

    /// A URL of the receiver.
    func url(_ path: String = "/") -> Secret { Secret(origin + path) }

    /// Runs a receiver while `body` runs.
    ///
    /// - Parameters:
    ///   - port: The port; 0 for any that is free.
    ///   - certificate: The certificate of a receiver that is reached by TLS, as `localhost`.
    ///   - answer: Answers each request.
    ///   - body: Uses the receiver.
    /// - Throws: The error of `body`, or of a server that cannot listen.
    static func run(
        port: UInt16 = 0,
        certificate: TestCertificate? = nil,
        answering answer: @escaping Answer = { _ in HTTPResponse(200) },
        _ body: (RecordingReceiver) async throws -> Void
    ) async throws {
        let state = Lock(State())
        var options = HTTPServer.Options()
        options.port = port
        options.limits.body = 64 << 20
        options.tls = certificate.map {
            TLSServerConfiguration(certificateChain: .text($0.certificate), privateKey: .text($0.key))
        }
        let respond: Answer = { request in
            let scripted = state.withLock { state -> HTTPResponse? in
                state.requests.append(request)
                return state.script.isEmpty ? nil : state.script.removeFirst()
            }
            if let scripted { return scripted }
            return await answer(request)
        }
        try await withServer(options, respond: respond) { port in
            let origin = certificate == nil ? "http://127.0.0.1:\(port)" : "https://localhost:\(port)"
            try await body(RecordingReceiver(origin, port, state))
        }
    }
}

extension HTTPResponse {
    /// A response with a text.
    init(_ status: Int, _ text: String, headers: HTTPHeaders = [:]) {
        self.init(status, headers: headers, .bytes(Array(text.utf8)))
    }
}
