// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// The client's session and a server's, wired to each other in memory.
final class HTTP2Pair {
    let client: HTTP2Session
    let server: HTTP2ServerSession
    /// The server's reaction to a request.
    var script: (HTTP2ServerExchange, HTTP2ServerSession.Event) -> Void = { _, _ in }
    /// How many bytes arrive at once.
    var chunkSize = Int.max
    /// All bytes from the server.
    private(set) var transcript: [UInt8] = []

    init(
        _ settings: HTTP2Session.Settings = .init(),
        server serverSettings: HTTP2ServerSession.Settings = .init()
    ) throws {
        client = try HTTP2Session(settings: settings)
        server = try HTTP2ServerSession(serverSettings)
    }

    /// Passes bytes both ways until nobody has any left.
    func run() throws {
        while try runClient() || runServer() {}
    }

    /// Passes the client's bytes to the server; returns whether there were any.
    @discardableResult
    func runClient() throws -> Bool {
        var output: [UInt8] = []
        try client.send(into: &output, limit: 256 << 10)
        for chunk in chunks(of: output) {
            try server.receive(chunk)
            for (exchange, event) in server.takeEvents() { script(exchange, event) }
        }
        return !output.isEmpty
    }

    @discardableResult
    func runServer() throws -> Bool {
        let output = try server.takeOutput()
        transcript += output
        for chunk in chunks(of: output) { try chunk.withUnsafeBytes { try client.receive($0) } }
        return !output.isEmpty
    }

    private func chunks(of bytes: [UInt8]) -> [ArraySlice<UInt8>] {
        let size = min(chunkSize, max(bytes.count, 1))
        return stride(from: 0, to: bytes.count, by: size).map { bytes[$0..<min($0 + size, bytes.count)] }
    }

    func open(
        _ path: String = "/service/method",
        body: [UInt8] = [],
        endStream: Bool = true,
        window: HTTP2Stream.Window = .automatic
    ) throws -> HTTP2Stream {
        let headers = GRPCMetadata(authority: "peer:1").headers(path: path)
        return try client.open(headers, body: body, endStream: endStream, window: window)
    }
}

/// Where two long arrays differ first; nil if they are equal.
///
/// For `#expect`, which looks for a shortest edit script when `==` fails: of long arrays, that takes for ever.
func firstDifference<Element: Equatable>(_ left: [Element], _ right: [Element]) -> Int? {
    if left == right { return nil }
    return zip(left, right).enumerated().first { $0.element.0 != $0.element.1 }?.offset ?? min(left.count, right.count)
}

/// Bytes in which no place looks like another.
func pattern(_ count: Int, seed: UInt64 = 0) -> [UInt8] {
    var random = SplitMix64(seed: seed)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count + 8)
    while bytes.count < count { withUnsafeBytes(of: random.next()) { bytes.append(contentsOf: $0) } }
    return Array(bytes.prefix(count))
}
