// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// A connection of a server.
struct HTTPConnection: Sendable {
    /// The largest piece of a response that is written at once, in bytes.
    private static let pieceSize = 64 << 10
    /// How many further bytes of a refused client are read, and for how long, so that the client can read the refusal.
    private static let (lingerSize, lingerTimeout) = (1 << 20, Duration.seconds(2))

    let stream: ByteStream
    let server: HTTPServer
    let connections: HTTPConnections

    private var options: HTTPServer.Options { server.options }

    /// Answers requests until the connection ends.
    func serve() async {
        defer {
            stream.close()
            connections.leave()
        }
        switch connections.enter() {
        case .served: break
        case .refused: return await refuse(HTTPRefusal(503, "There are too many connections."))
        case .dropped: return
        }
        var parser = HTTPParser(.requests, limits: options.limits)
        var patience = options.headerTimeout
        do {
            while try await serveRequest(&parser, patience) { patience = options.idleTimeout }
        } catch let refusal as HTTPRefusal {
            await refuse(refusal)
        } catch {
            // The client has disconnected, or is too slow for a response.
        }
    }

    /// Receives a request and answers it.
    ///
    /// Returns false if the connection ends.
    private func serveRequest(_ parser: inout HTTPParser, _ patience: Duration) async throws -> Bool {
        let first = await connections.interruptible(stream) { try? await stream.read(deadline: .after(patience)) }
        guard let bytes = first ?? nil, !bytes.isEmpty else { return false }
        parser.append(bytes)
        guard case .head(let head) = try await next(&parser, within: options.headerTimeout),
            case .request(let method, let target) = head.startLine
        else { return false }
        try await meetExpectation(head, parser)
        guard case .body(let body) = try await next(&parser, within: options.bodyTimeout) else { return false }
        let request = HTTPRequest(method, target.path, query: target.query, headers: head.headers, body: body)
        let response = await server.respond(request)
        let isLast = !head.keepsAlive || parser.hasUnread
        let goesOn = try await send(response, to: method, minorVersion: head.minorVersion, isLast: isLast)
        if parser.hasUnread { await linger() }
        return goesOn
    }

    private func next(_ parser: inout HTTPParser, within timeout: Duration) async throws -> HTTPParser.Event? {
        do {
            return try await parser.next(from: stream, until: .after(timeout))
        } catch let error as ByteStreamError where error.reason == .timedOut {
            throw HTTPRefusal(408, "The request took too long.")
        }
    }

    /// Tells a client that waits for permission to send the body.
    private func meetExpectation(_ head: HTTPHead, _ parser: HTTPParser) async throws {
        let expectations = head.headers.elements(of: "Expect")
        if expectations.isEmpty || head.minorVersion == 0 { return }
        guard expectations == ["100-continue"] else {
            throw HTTPRefusal(417, "The request has an expectation other than 100-continue.")
        }
        if !parser.hasUnread && parser.expectsBody { try await write(HTTPWriter.response(100, [:])) }
    }

    // MARK: Responses

    /// Sends a response.
    ///
    /// Returns false if the connection ends after it.
    private func send(
        _ response: HTTPResponse,
        to method: String,
        minorVersion: Int,
        isLast: Bool
    ) async throws -> Bool {
        let isClosing =
            isLast || connections.isStopping || response.headers.elements(of: "Connection").contains("close")
        var headers = response.headers
        for name in ["Connection", "Content-Length", "Transfer-Encoding"] { headers[name] = nil }
        headers["Date"] = HTTPDate.text(Date())
        if isClosing { headers["Connection"] = "close" }
        let isEmptyByStatus = response.status < 200 || response.status == 204 || response.status == 304
        let hasBody = method != "HEAD" && !isEmptyByStatus
        switch response.body {
        case .bytes(let bytes):
            if !isEmptyByStatus { headers["Content-Length"] = String(bytes.count) }
            try await write(HTTPWriter.response(response.status, headers) + (hasBody ? bytes : []))
            return !isClosing
        case .stream(let parts):
            // Bytes of the client are dropped meanwhile, so there can be no further request.
            headers["Connection"] = "close"
            let isChunked = minorVersion == 1 && !isEmptyByStatus
            if isChunked { headers["Transfer-Encoding"] = "chunked" }
            try await write(HTTPWriter.response(response.status, headers))
            if hasBody { await connections.interruptible(stream) { await send(parts, isChunked: isChunked) } }
            return false
        }
    }

    /// Sends the parts of a body until there are no more, or the client has disconnected.
    private func send(_ parts: AsyncStream<[UInt8]>, isChunked: Bool) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { while let bytes = try? await stream.read(), !bytes.isEmpty {} }
            group.addTask {
                for await part in parts {
                    guard (try? await write(isChunked ? HTTPWriter.chunk(part) : part)) != nil else { return }
                }
                // A cancelled task cannot write, so an incomplete body does not look complete.
                if isChunked { try? await write(HTTPWriter.lastChunk) }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func write(_ bytes: [UInt8]) async throws {
        for start in stride(from: 0, to: bytes.count, by: Self.pieceSize) {
            let piece = Array(bytes[start...].prefix(Self.pieceSize))
            try await stream.write(piece, deadline: .after(options.writeTimeout))
        }
    }

    /// Sends a refusal for an invalid request.
    private func refuse(_ refusal: HTTPRefusal) async {
        // A connection that is refused because there are too many may not have finished its TLS handshake.
        guard (try? await stream.handshake(deadline: .after(Self.lingerTimeout))) != nil,
            (try? await send(refusal.response, to: "", minorVersion: 1, isLast: true)) != nil
        else { return }
        await linger()
    }

    /// Waits until the client has closed the connection.
    ///
    /// Unread bytes at the close of a connection would destroy the response.
    private func linger() async {
        let deadline = ContinuousClock.Instant.after(Self.lingerTimeout)
        try? await stream.shutdownWrites(deadline: deadline)
        var rest = Self.lingerSize
        while rest > 0, let bytes = try? await stream.read(deadline: deadline), !bytes.isEmpty { rest -= bytes.count }
    }
}
