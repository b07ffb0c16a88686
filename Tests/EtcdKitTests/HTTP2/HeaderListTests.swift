// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// A server cannot make the client keep more header fields than the announced limit.
@Suite("HTTP2Session: header lists", .measurement, .serialized, .timeLimit(.minutes(1)))
struct HeaderListTests {
    /// Frames of one answer on stream 1: a field of 4000 bytes, and `count` bytes each of which names it again.
    static func bomb(_ count: Int) -> [UInt8] {
        // `:status: 200` by its number, `x: yyy…` to be put into the table, and the table's entry, again and again.
        var block: [UInt8] = [0x88, 0x40, 1, UInt8(ascii: "x"), 0x7f, 0xa1, 0x1e]
        block += Array(repeating: UInt8(ascii: "y"), count: 4000) + Array(repeating: 0xbe, count: count)
        var frames: [UInt8] = []
        for start in stride(from: 0, to: block.count, by: 16_000) {
            let payload = block[start..<min(start + 16_000, block.count)]
            // HEADERS, then CONTINUATION; the last one has END_HEADERS.
            let flags: UInt8 = start + 16_000 >= block.count ? 4 : 0
            frames += [
                0, UInt8(payload.count >> 8), UInt8(payload.count & 0xff), start == 0 ? 1 : 9, flags, 0, 0, 0, 1,
            ]
            frames += payload
        }
        return frames
    }

    /// How much memory grows when a session with one stream receives a bomb, and how the stream ends.
    private func feed(_ count: Int, _ settings: HTTP2Session.Settings) throws -> (Int, HTTP2Stream) {
        let pair = try HTTP2Pair(settings)
        try pair.run()
        let stream = try pair.open()
        try pair.runClient()
        let bytes = Self.bomb(count)
        ProcessFigures.releaseFreeMemory()
        let before = ProcessFigures.residentMemory
        try bytes.withUnsafeBytes { try pair.client.receive($0) }
        return (ProcessFigures.residentMemory - before, stream)
    }

    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    @Test("a header block of 128 KiB that expands to half a gigabyte takes a few megabytes", .enabled(if: canMeasure))
    func memory() throws {
        let (growth, stream) = try feed(128 << 10, .init())
        #expect(growth < 16 << 20, "\(growth >> 20) MiB")
        guard case .refused(let reason) = stream.ending else {
            Issue.record("the stream goes on")
            return
        }
        #expect(reason.contains("larger than 65536 bytes"))
        #expect(stream.headers.fields.count <= 17)
    }

    @Test("the control: without a limit, a quarter of that takes more than 64 MiB", .enabled(if: canMeasure))
    func control() throws {
        var settings = HTTP2Session.Settings()
        settings.headerListLimit = .max
        let (growth, stream) = try feed(32 << 10, settings)
        #expect(growth > 64 << 20, "\(growth >> 20) MiB")
        #expect(stream.ending == nil && stream.headers.fields.count == 2 + 32 << 10)
    }

    @Test("the limit is sent to the server")
    func announcement() throws {
        var output: [UInt8] = []
        try HTTP2Session(settings: .init()).send(into: &output, limit: .max)
        // SETTINGS_MAX_HEADER_LIST_SIZE is the number 6, with four bytes of a value.
        let settings = output.dropFirst(24 + 9).prefix(Int(output[26]))
        let pairs = stride(from: settings.startIndex, to: settings.endIndex, by: 6).map { Array(settings[$0..<$0 + 6]) }
        #expect(pairs.contains([0, 6, 0, 1, 0, 0]), "\(pairs)")
    }

    @Test("lists up to the limit are accepted, in headers and in trailers each; one more field resets that stream only")
    func limit() throws {
        var settings = HTTP2Session.Settings()
        settings.headerListLimit = 1000
        // `:status: 200` counts 7 + 3 + 32 bytes, and a field `a: …` 1 + 32 and its value.
        let full = String(repeating: "v", count: 1000 - 42 - 33)
        let (kept, refused) = ((":status", "200"), full + "v")
        let pair = try HTTP2Pair(settings)
        pair.script = { exchange, event in
            guard event == .end else { return }
            exchange.send([kept, ("a", exchange.id == 3 ? refused : full)])
            exchange.end(trailers: [("a", full), ("b", exchange.id == 5 ? full : "")])
        }
        let streams = try (0..<4).map { _ in try pair.open() }
        try pair.run()
        let reason = "the server's header fields are larger than 1000 bytes"
        #expect(
            streams.map(\.ending) == [.closed(.noError), .refused(reason), .refused(reason), .closed(.noError)]
        )
        #expect(streams[0].headers["a"] == full && streams[0].trailers.fields.count == 2)
        #expect(streams[1].headers.fields.map(\.name) == [":status"])
        #expect(pair.server.exchanges[3]?.resetCode != nil && pair.server.exchanges[1]?.resetCode == nil)
        #expect(Set(pair.client.takeTouchedStreams().map(\.id)) == [1, 3, 5, 7])
        #expect(pair.client.streams.isEmpty)
        let failure = GRPCFailure(endOf: streams[1])
        #expect(failure?.message == reason && failure?.effect == .unknown)
    }
}

/// A client of such a server.
@Suite("EtcdClient: header lists that are too large", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct HeaderListClientTests {
    @Test("the error of a read names the violation, a write is ambiguous, and the connection goes on")
    func call() async throws {
        let server = try FakeServer(
            .http2(.init()) { connection, exchange, event in
                guard event == .end else { return }
                if exchange.id == 1 { connection.send(raw: HeaderListTests.bomb(128 << 10)) } else { exchange.answer() }
            }
        )
        defer { server.stop() }
        for isRead in [true, false] {
            let client = try server.client { $0.retry = .never }
            await expectError(isRead ? .protocolViolation : .ambiguous) {
                if isRead { _ = try await client.get("k") } else { try await client.put("k", "v") }
            }
            await client.close()
        }
    }
}
