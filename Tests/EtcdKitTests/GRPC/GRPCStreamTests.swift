// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("GRPCStream", .unit, .timeLimit(.minutes(1)))
@EventLoop
struct GRPCStreamTests {
    struct Note: ProtobufMessage {
        var bytes: [UInt8] = []

        mutating func visitFields<Visitor: ProtobufVisitor>(_ visitor: inout Visitor) throws(ProtobufError) {
            try visitor.field(1, &bytes)
        }

        /// The note in a frame, as a server sends it.
        static func frame(_ bytes: [UInt8]) -> [UInt8] {
            var message: [UInt8] = []
            ProtobufEncoder.encode(Note(bytes: bytes), into: &message)
            return HTTP2ServerExchange.frame(message)
        }
    }

    /// A stream and its results.
    @EventLoop
    final class Recording {
        private(set) var notes: [[UInt8]] = []
        private(set) var byteCounts: [Int] = []
        /// The endings; more than one would be a fault.
        private(set) var endings: [GRPCFailure?] = []
        private(set) var stream: GRPCStream?
        var onNote: (@EventLoop () -> Void)?
        private var consumed = 0

        /// Consumes all notes that have come since.
        func consumeAll() {
            for count in byteCounts[consumed...] { stream?.consume(count) }
            consumed = byteCounts.count
        }

        init(
            on connection: HTTP2Connection,
            window: HTTP2Stream.Window = .automatic,
            maximumMessageSize: Int = 4 << 20
        ) throws {
            stream = try GRPCStream(
                GRPCMethod<Note, Note>(.watch, "Watch"),
                metadata: GRPCMetadata(authority: "peer:1"),
                maximumMessageSize: maximumMessageSize,
                window: window,
                on: connection
            ) { [unowned self] note, byteCount in
                notes.append(note.bytes)
                byteCounts.append(byteCount)
                onNote?()
            } onEnd: { [unowned self] failure in
                endings.append(failure)
            }
        }
    }

    /// Lends a stream to a server that does `answer` when the stream opens.
    private func withStream(
        window: HTTP2Stream.Window = .automatic,
        maximumMessageSize: Int = 4 << 20,
        streamWindow: Int32 = 64 << 10,
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void,
        _ body: (Recording, HTTP2Connection, FakeServer) async throws -> Void
    ) async throws {
        let server = try FakeServer(
            .http2(.init()) { _, exchange, event in
                if event == .headers { answer(exchange) }
            }
        )
        defer { server.stop() }
        var options = HTTP2Connection.Options()
        options.session.streamWindow = streamWindow
        let connection = try await server.connect(options)
        let recording = try Recording(on: connection, window: window, maximumMessageSize: maximumMessageSize)
        try await eventually("the stream is open") { !server.exchanges.isEmpty }
        try await body(recording, connection, server)
        recording.stream?.cancel()
        #expect(connection.openStreamCount == 0)
    }

    /// Expects a stream to end with a failure when the server does `answer`, after it has delivered one note.
    private func failure(
        maximumMessageSize: Int = 4 << 20,
        answering answer: @escaping @EventLoop (HTTP2ServerExchange) -> Void
    ) async throws -> GRPCFailure? {
        var result: GRPCFailure?
        let first: @EventLoop (HTTP2ServerExchange) -> Void = { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.send(Note.frame([1]))
            answer(exchange)
        }
        try await withStream(maximumMessageSize: maximumMessageSize, answering: first) {
            recording,
            connection,
            server in
            try await eventually("the stream has ended") { !recording.endings.isEmpty }
            #expect(recording.notes == [[1]])
            #expect(recording.endings.count == 1)
            #expect(connection.openStreamCount == 0)
            result = recording.endings[0]
            try await eventually("the stream is closed at the server too") { server.exchanges[0].closeCode != nil }
        }
        return result
    }

    // MARK: Messages

    @Test("credit for a stream whose window opens by itself is not counted twice, however much is given")
    func superfluousCredit() async throws {
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            exchange.send(Note.frame([1]))
        }
        try await withStream(answering: answer) { recording, connection, server in
            try await eventually("the first note") { recording.notes.count == 1 }
            // Three gigabytes are more than a window can hold, for which nghttp2 would end the connection.
            for _ in 0..<3 { recording.stream?.consume(1 << 30) }
            server.exchanges[0].send(Note.frame([2]))
            try await eventually("the second note, or the end") {
                recording.notes.count == 2 || !recording.endings.isEmpty
            }
            #expect(recording.notes == [[1], [2]])
            #expect(connection.isOpen)
        }
    }

    @Test("messages go both ways, in order, until both sides have ended")
    func echo() async throws {
        let server = try FakeServer(
            .http2(.init()) { _, exchange, event in
                switch event {
                case .headers: exchange.send(HTTP2ServerExchange.grpcHeaders)
                case .data: exchange.echo()
                case .end: exchange.end(trailers: [("grpc-status", "0")])
                case .reset: break
                }
            }
        )
        defer { server.stop() }
        let connection = try await server.connect()
        let recording = try Recording(on: connection)
        let notes = (0..<100).map { pattern($0 * 37, seed: UInt64($0)) }
        for (number, note) in notes.enumerated() {
            recording.stream?.send(Note(bytes: note), isLast: number == 99)
            if number % 10 == 0 { await Task.yield() }
        }
        try await eventually("the stream has ended") { !recording.endings.isEmpty }
        #expect(recording.notes == notes)
        #expect(recording.endings == [nil])
        #expect(connection.openStreamCount == 0)
        // Too late, so without effect.
        recording.stream?.send(Note(bytes: [1]))
        recording.stream?.consume(1)
        recording.stream?.cancel()
        #expect(connection.isOpen)
    }

    @Test("with a manual window the server waits for the consumer, and every byte of the window comes back")
    func manualWindow() async throws {
        let notes = (0..<50).map { pattern(10_000, seed: UInt64($0)) }
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            for note in notes { exchange.send(Note.frame(note)) }
        }
        try await withStream(window: .manual, answering: answer) { recording, _, server in
            let session = try #require(server.connections[0].session)
            let exchange = server.exchanges[0]
            try await eventually("the window is full of notes") { recording.notes.count >= 6 }
            // The window was opened for the rest of the seventh note; now the server gets no more credit.
            try await eventually("the window is used up") { session.remainingWindow(of: exchange) < 10_000 }
            #expect(recording.notes.count <= 7)
            try await eventually("all notes are there") {
                recording.consumeAll()
                return recording.notes.count == notes.count
            }
            #expect(recording.notes == notes)
            recording.consumeAll()
            // nghttp2 gives windows back once half of them is used.
            try await eventually("the window is open") { session.remainingWindow(of: exchange) > 32 << 10 }
        }
    }

    @Test("a message larger than a manual window comes through; the rest waits for the consumer")
    func largerThanWindow() async throws {
        let notes = (0..<2).map { pattern(1 << 20, seed: UInt64($0)) } + (0..<9).map { [$0] + pattern(20_000) }
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { exchange in
            exchange.send(HTTP2ServerExchange.grpcHeaders)
            for note in notes { exchange.send(Note.frame(note)) }
        }
        try await withStream(window: .manual, answering: answer) { recording, connection, server in
            let session = try #require(server.connections[0].session)
            let exchange = server.exchanges[0]
            try await eventually("the first note is there") { !recording.notes.isEmpty }
            try await eventually("the server waits") { session.remainingWindow(of: exchange) < 32 << 10 }
            #expect(recording.notes.count < 7)
            try await eventually("all notes are there") {
                recording.consumeAll()
                return recording.notes.count == notes.count
            }
            #expect(recording.notes == notes)
            // As large as they are, in their frames.
            let sizes = notes.map { Note.frame($0).count }
            #expect(recording.byteCounts == sizes)
        }
    }

    @Test("messages that come in pieces do not open the window for more of them", arguments: [1_000, 3_000, 7_000])
    func pieces(size: Int) async throws {
        let notes = (0..<200).map { pattern(3_000, seed: UInt64($0)) }
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { $0.send(HTTP2ServerExchange.grpcHeaders) }
        try await withStream(window: .manual, answering: answer) { recording, _, server in
            let session = try #require(server.connections[0].session)
            let exchange = server.exchanges[0]
            let frameSize = Note.frame(notes[0]).count
            let bytes = notes.flatMap { Note.frame($0) }
            // The server sends one after the other, or waits until the client has taken some.
            for start in stride(from: 0, to: bytes.count, by: size) {
                let end = min(start + size, bytes.count)
                exchange.send(Array(bytes[start..<end]))
                try await eventually("it is here, or waits") {
                    recording.notes.count >= end / frameSize || session.remainingWindow(of: exchange) == 0
                }
            }
            // As many as the window takes, and the one that the window was opened for.
            #expect(recording.notes.count <= (64 << 10) / frameSize + 1)
            try await eventually("all notes are there") {
                recording.consumeAll()
                return recording.notes.count == notes.count
            }
            #expect(recording.notes == notes)
        }
    }

    // MARK: Endings

    @Test("an end with a status is reported once")
    func status() async throws {
        let failure = try await failure { exchange in
            exchange.end(trailers: [("grpc-status", "14"), ("grpc-message", "etcdserver: no%20leader")])
        }
        #expect(failure == GRPCFailure(GRPCStatus(.unavailable, "etcdserver: no leader"), .answered))
    }

    @Test("a refused stream reports its status")
    func refused() async throws {
        try await withStream(answering: { $0.refuse(.permissionDenied, "no") }) { recording, _, _ in
            try await eventually("the stream has ended") { !recording.endings.isEmpty }
            #expect(recording.endings == [GRPCFailure(GRPCStatus(.permissionDenied, "no"), .answered)])
            #expect(recording.notes.isEmpty)
        }
    }

    @Test("an end without a status is a failure")
    func noStatus() async throws {
        #expect(try await failure { $0.end() }?.code == .protocolViolation)
    }

    @Test("a reset is a failure, after the messages before it")
    func reset() async throws {
        let failure = try await failure { exchange in
            // After the end of the turn, when the note has been sent.
            EventLoop.execute { EventLoop.execute { exchange.reset(HTTP2ErrorCode(rawValue: 2)) } }
        }
        #expect(failure?.code == .unavailable)
        #expect(failure?.message.contains("INTERNAL_ERROR") == true)
    }

    @Test("a message that cannot be decoded, is compressed or too large ends the stream with a reset")
    func malformedMessages() async throws {
        var exchanges: [HTTP2ServerExchange] = []
        for (frame, reason) in [
            (HTTP2ServerExchange.frame([0x0a, 200]), "malformed"),
            (HTTP2ServerExchange.frame([], compressed: true), "compressed"),
            (HTTP2ServerExchange.frame([], length: 1001), "1001 bytes"),
        ] {
            let failure = try await failure(maximumMessageSize: 1000) { exchange in
                exchanges.append(exchange)
                exchange.send(frame)
                // Ignored, since the stream has ended.
                exchange.send(Note.frame([2]))
            }
            #expect(failure?.message.contains(reason) == true, "\(String(describing: failure))")
        }
        #expect(exchanges.map(\.resetCode) == [.cancel, .cancel, .cancel])
    }

    @Test("an end within a message is a failure")
    func partialMessage() async throws {
        let failure = try await failure { exchange in
            exchange.send(Array(Note.frame([1, 2, 3]).dropLast()))
            exchange.end(trailers: [("grpc-status", "0")])
        }
        #expect(failure?.code == .protocolViolation)
        #expect(failure?.message.contains("within a message") == true)
    }

    @Test("an answer that is not gRPC's ends the stream with its HTTP status")
    func notGRPC() async throws {
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { exchange in
            exchange.send([(":status", "502"), ("content-type", "text/html")])
            exchange.send(Array("<html>no gateway</html>".utf8))
        }
        try await withStream(answering: answer) { recording, _, _ in
            try await eventually("the stream has ended") { !recording.endings.isEmpty }
            #expect(recording.endings.count == 1)
            #expect(recording.endings[0]?.cause == .status(GRPCStatus(.unavailable, "HTTP status 502")))
            #expect(recording.endings[0]?.effect == .answeredByProxy)
        }
    }

    @Test("a lost connection ends the stream")
    func lostConnection() async throws {
        let answer: @EventLoop (HTTP2ServerExchange) -> Void = { $0.send(HTTP2ServerExchange.grpcHeaders) }
        try await withStream(answering: answer) { recording, _, server in
            #expect(recording.endings.isEmpty)
            server.connections[0].close()
            try await eventually("the stream has ended") { !recording.endings.isEmpty }
            #expect(recording.endings.count == 1)
            #expect(recording.endings[0]?.effect == .unknown)
        }
    }

    @Test("cancelling resets the stream at the server, and no event comes after it, also from within an event")
    func cancel() async throws {
        try await withStream(answering: { $0.send(HTTP2ServerExchange.grpcHeaders) }) { recording, connection, server in
            recording.onNote = { if recording.notes.count == 3 { recording.stream?.cancel() } }
            for number in UInt8(0)..<10 { server.exchanges[0].send(Note.frame([number])) }
            try await eventually("the server gets the reset") { server.exchanges.first?.resetCode == .cancel }
            #expect(recording.notes == [[0], [1], [2]])
            #expect(recording.endings.isEmpty)
            #expect(connection.openStreamCount == 0)
        }
    }
}
