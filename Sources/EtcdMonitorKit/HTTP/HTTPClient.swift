// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// An HTTP/1.1 client with one connection per request, without redirects and compression.
struct HTTPClient: Sendable {
    /// A response, and observations of the exchange.
    struct Exchange: Sendable {
        /// The response; its body is ``body``.
        let response: HTTPResponse
        let body: [UInt8]
        /// The certificates that the server presented.
        let certificates: [CertificateReading]
        /// The time from sending the request to the end of the response's head, in seconds.
        let seconds: Double
        /// The clock of this machine before the request was sent, and after the response's head had arrived.
        let sent: Date, received: Date

        /// The bounds of the offset of the server's clock from this machine's, in seconds; nil without a `Date` field.
        var clockOffset: ClosedRange<Double>? {
            guard let date = response.headers["Date"].flatMap(HTTPDate.read) else { return nil }
            // The field omits the fraction of the second.
            let (least, most) = (date.timeIntervalSince(received), date.timeIntervalSince(sent) + 1)
            return least <= most ? least...most : nil
        }
    }

    private let tls: TLSContextSource

    /// Makes a client.
    ///
    /// - Parameter tls: The TLS settings for servers; nil for the authorities that the system trusts.
    init(tls: TLSConfiguration? = nil) { self.tls = TLSContextSource(forStreams: tls) }

    /// Gets a page; see ``send(_:_:headers:body:at:timeout:maximumBody:)``.
    func get(
        _ path: String,
        headers: HTTPHeaders = [:],
        at endpoint: Endpoint,
        timeout: Duration,
        maximumBody: Int
    ) async throws(HTTPClientError) -> Exchange {
        try await send("GET", path, headers: headers, at: endpoint, timeout: timeout, maximumBody: maximumBody)
    }

    /// Sends a request.
    ///
    /// - Parameters:
    ///   - method: The method.
    ///   - path: The path with the query, encoded as in a URL.
    ///   - headers: Fields in addition to those that the client adds.
    ///   - body: The body of the request.
    ///   - endpoint: The server.
    ///   - timeout: The longest duration of the exchange.
    ///   - maximumBody: The largest body of the response, in bytes.
    /// - Returns: The response, whatever its status.
    /// - Throws: The reason why there is none.
    func send(
        _ method: String,
        _ path: String,
        headers: HTTPHeaders = [:],
        body: [UInt8] = [],
        at endpoint: Endpoint,
        timeout: Duration,
        maximumBody: Int
    ) async throws(HTTPClientError) -> Exchange {
        let deadline = ContinuousClock.Instant.after(timeout)
        let stream: ByteStream
        do throws(ByteStreamError) {
            stream = try await ByteStream.connect(to: endpoint, tls: tls, timeout: timeout)
        } catch {
            throw HTTPClientError(error)
        }
        defer { stream.close() }
        do {
            return try await exchange(
                HTTPWriter.request(method, path, fields(headers, method, body, endpoint)) + body,
                HTTPParser(.responses(to: method), limits: HTTPLimits(body: maximumBody)),
                stream,
                deadline
            )
        } catch {
            var failure =
                switch error {
                case let error as ByteStreamError: HTTPClientError(error)
                case let error as HTTPRefusal where error != .cutOff:
                    HTTPClientError(.malformed, "the response is malformed: \(error.message)")
                default: HTTPClientError(.refused, "the server closed the connection before the end of its response")
                }
            failure.mayHaveArrived = true
            throw failure
        }
    }

    private func exchange(
        _ request: [UInt8],
        _ responses: HTTPParser,
        _ stream: ByteStream,
        _ deadline: ContinuousClock.Instant
    ) async throws -> Exchange {
        let (sent, start) = (Date(), ContinuousClock.now)
        try await stream.write(request, deadline: deadline)
        var parser = responses
        while case .head(let head) = try await parser.next(from: stream, until: deadline) {
            guard case .response(let status) = head.startLine, status != 101 else {
                throw HTTPRefusal(501, "The server switches to another protocol.")
            }
            let (seconds, received) = ((ContinuousClock.now - start) / .seconds(1), Date())
            guard case .body(let body) = try await parser.next(from: stream, until: deadline) else { break }
            // The statuses below only announce the final response.
            if status < 200 { continue }
            return Exchange(
                response: HTTPResponse(status, headers: head.headers, .bytes(body)),
                body: body,
                certificates: stream.peerCertificates.map(CertificateReading.init),
                seconds: seconds,
                sent: sent,
                received: received
            )
        }
        throw HTTPRefusal.cutOff
    }

    private func fields(_ own: HTTPHeaders, _ method: String, _ body: [UInt8], _ endpoint: Endpoint) -> HTTPHeaders {
        var fields = own
        let host = Endpoint.authority(endpoint.host, endpoint.port)
        if fields["Host"] == nil { fields.add("Host", endpoint.socketPath == nil ? host : endpoint.host) }
        if fields["User-Agent"] == nil { fields.add("User-Agent", "etcd-kit-swift") }
        fields["Accept-Encoding"] = "identity"
        fields["Connection"] = "close"
        fields["Content-Length"] = body.isEmpty && !["POST", "PUT", "PATCH"].contains(method) ? nil : "\(body.count)"
        return fields
    }
}

/// The reason why there is no response.
struct HTTPClientError: Error, Sendable, Hashable, CustomStringConvertible {
    let reason: ProbeFailure.Reason
    let message: String
    /// Whether the server may have received the request.
    var mayHaveArrived = false

    init(_ reason: ProbeFailure.Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    init(_ error: ByteStreamError) {
        switch error.reason {
        case .refused, .reset, .closed: self.init(.refused, error.message)
        case .timedOut, .cancelled: self.init(.timedOut, error.message)
        case .tls, .misconfigured: self.init(.tls, error.message)
        }
    }

    var description: String { message }
}

extension CertificateReading {
    fileprivate init(_ certificate: PeerCertificate) {
        self.init(
            subject: certificate.subject,
            role: certificate.isLeaf ? .server : .authority,
            notAfter: Date(timeIntervalSince1970: certificate.notAfter)
        )
    }
}
