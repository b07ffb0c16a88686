// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// A connection on which a test sends any bytes.
struct HTTPWire: Sendable {
    let stream: ByteStream

    init(_ stream: ByteStream) { self.stream = stream }

    init(port: UInt16) async throws {
        stream = try await ByteStream.connect(to: Endpoint("127.0.0.1:\(port)"), tls: nil, timeout: .seconds(10))
    }

    func send(_ text: String) async throws { try await stream.write(Array(text.utf8), deadline: .after(.seconds(10))) }

    /// Reads until the text ends with `end`, or the stream ends.
    func read(until end: String) async throws -> String {
        var bytes: [UInt8] = []
        while !bytes.suffix(end.utf8.count).elementsEqual(end.utf8) {
            let more = try await stream.read(deadline: .after(.seconds(10)))
            if more.isEmpty { break }
            bytes += more
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads until the stream ends.
    func readAll() async throws -> String {
        var text = ""
        while true {
            let more = try await stream.read(deadline: .after(.seconds(10)))
            if more.isEmpty { return text }
            text += String(decoding: more, as: UTF8.self)
        }
    }

    /// Sends a request on a new connection and reads all that comes.
    static func exchange(_ port: UInt16, _ request: String) async throws -> String {
        let wire = try await HTTPWire(port: port)
        defer { wire.stream.close() }
        try await wire.send(request)
        return try await wire.readAll()
    }

    /// A new connection gets its answer.
    static func isServed(_ port: UInt16) async -> Bool {
        (try? await exchange(port, last))?.hasPrefix("HTTP/1.1 200 ") == true
    }

    static let get = "GET /x HTTP/1.1\r\nHost: a\r\n\r\n"
    static let last = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
}

/// Answers with the method, the path and the body.
@Sendable func echo(_ request: HTTPRequest) async -> HTTPResponse {
    HTTPResponse(200, .bytes(Array("\(request.method) \(request.path) ".utf8) + request.body + Array("\n".utf8)))
}

/// Runs `body` with the port of a server, stops it, and returns when it has ended.
func withServer(
    _ options: HTTPServer.Options = HTTPServer.Options(),
    respond: @escaping @Sendable (HTTPRequest) async -> HTTPResponse = echo,
    _ body: (UInt16) async throws -> Void
) async throws {
    let (ports, port) = AsyncStream<UInt16>.makeStream()
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            defer { port.finish() }
            try await HTTPServer(options, respond: respond).run { port.yield($0) }
        }
        for await port in ports {
            try await body(port)
            break
        }
        group.cancelAll()
        try await group.waitForAll()
    }
}

/// Runs `body` with the port of a server that handles each connection with `script`.
func withScript(_ script: @escaping @Sendable (HTTPWire) async throws -> Void, _ body: (Endpoint) async throws -> Void)
    async throws
{
    let listener = try await ByteListener.listen(host: "127.0.0.1", port: 0, tls: nil)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            while let stream = try? await listener.accept() {
                // A client that is satisfied early breaks the script, which is no failure.
                try? await script(HTTPWire(stream))
                stream.close()
            }
        }
        try await body(Endpoint("127.0.0.1:\(listener.port)"))
        listener.close()
        try await group.waitForAll()
    }
}
