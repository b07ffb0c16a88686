// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// The session reports exactly the content of the bytes that a server sends, whether they come in one piece or in
/// many, and each stream ends.
///
/// Each run is held against a reader of frames of the tests' own (``HTTP2FrameScanner``), and against a second session that
/// gets the same bytes cut in another way.
@Suite("HTTP2Session: broken servers", .measurement, .serialized, .timeLimit(.minutes(3)))
struct HTTP2FuzzTests {
    private static let rounds = 700

    @Test("random bytes", arguments: 0..<2)
    func randomBytes(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        var accepted = 0
        for round in 0..<Self.rounds {
            // Lets other tests run.
            if round % 10 == 0 { await Task.yield() }
            let bytes = pattern(Int.random(in: 9..<400, using: &random), seed: random.next())
            if try !observe(bytes, &random).isOver { accepted += 1 }
        }
        // Bytes that are no HTTP/2 are refused, but for a beginning that may become some.
        #expect(accepted < Self.rounds / 100)
    }

    @Test(
        "frames of every type with random flags, streams and payloads, after proper settings",
        arguments: zip(0..<4 as Range<UInt64>, [nil, nil, 41, 42])
    )
    func randomFrames(seed: UInt64, headerListLimit: Int?) async throws {
        var random = SplitMix64(seed: seed)
        var (accepted, progressed, refused) = (0, 0, 0)
        var settings = HTTP2Session.Settings()
        // The proper list of the frames has 42 bytes.
        if let headerListLimit { settings.headerListLimit = headerListLimit }
        for round in 0..<Self.rounds {
            if round % 10 == 0 { await Task.yield() }
            var bytes: [UInt8] = [0, 0, 0, 4, 0, 0, 0, 0, 0]
            for _ in 0..<Int.random(in: 1..<8, using: &random) { bytes += frame(&random) }
            let seen = try observe(bytes, &random, settings)
            #expect(seen.hasPeerSettings)
            refused += seen.streams.count { if case .refused = $0.ending { true } else { false } }
            if !seen.isOver { accepted += 1 }
            if seen.streams.contains(where: { $0 != .init(id: $0.id) }) { progressed += 1 }
        }
        // The frames are neither too wild nor too tame to test anything.
        #expect(accepted > Self.rounds / 20 && accepted < Self.rounds * 19 / 20, "\(accepted)")
        #expect(progressed > Self.rounds / 20, "\(progressed)")
        #expect(headerListLimit == 41 ? refused > Self.rounds / 20 : refused < Self.rounds / 20, "\(refused)")
    }

    /// A frame that is proper as often as not.
    private func frame(_ random: inout SplitMix64) -> [UInt8] {
        let stream = UInt8([0, 1, 1, 3, 3, 5, 5, 2, 255].randomElement(using: &random) ?? 0)
        var payload = pattern(Int.random(in: 0..<40, using: &random), seed: random.next())
        var (type, flags) = (UInt8.random(in: 0...12, using: &random), UInt8.random(in: 0...255, using: &random))
        switch Int.random(in: 0..<10, using: &random) {
        case 0..<2:
            (type, flags) = (0, UInt8.random(in: 0...1, using: &random))
        case 2..<4:
            // `:status: 200`, and now and then the end.
            (type, flags, payload) = (1, [4, 4, 5].randomElement(using: &random) ?? 4, [0x88])
        case 4:
            let code: UInt8 = [0, 2, 7, 8].randomElement(using: &random) ?? 0
            (type, flags, payload) = (3, 0, [0, 0, 0, code])
        case 5:
            (type, flags, payload) = (6, [0, 1].randomElement(using: &random) ?? 0, Array(repeating: 7, count: 8))
            return [0, 0, 8, type, flags, 0, 0, 0, 0] + payload
        case 6:
            let last: UInt8 = [1, 3, 5].randomElement(using: &random) ?? 1
            return [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, last, 0, 0, 0, 11]
        default:
            break
        }
        return [0, 0, UInt8(payload.count), type, flags, 0, 0, 0, stream] + payload
    }

    @Test("a proper conversation with bytes changed, left out, doubled and cut off", arguments: 0..<4)
    func mutations(seed: UInt64) async throws {
        var random = SplitMix64(seed: seed)
        let transcript = try HTTP2Conversation(seed: seed).transcript
        var (intact, changed) = (0, 0)
        let original = try HTTP2Observation(of: transcript, chunk: { .max })
        for round in 0..<Self.rounds {
            if round % 10 == 0 { await Task.yield() }
            var bytes = transcript
            for _ in 0..<Int.random(in: 0..<4, using: &random) {
                let index = Int.random(in: 0..<bytes.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: bytes[index] = .random(in: 0...255, using: &random)
                case 1: bytes[index] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.remove(at: index)
                case 3: bytes.insert(contentsOf: bytes[index..<min(index + 20, bytes.count)], at: index)
                default: bytes.removeSubrange((index + 1)...)
                }
            }
            let seen = try observe(bytes, &random)
            if bytes == transcript { #expect(seen == original) }
            if seen == original { intact += 1 } else { changed += 1 }
        }
        #expect(intact > Self.rounds / 8 && changed > Self.rounds / 8, "\(intact), \(changed)")
    }

    @Test("the control: an unchanged conversation is understood exactly", arguments: 0..<60)
    func conversation(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let conversation = try HTTP2Conversation(seed: seed)
        let seen = try observe(conversation.transcript, &random)
        #expect(seen.streams == conversation.expected)
        // After a farewell, it is over with the last stream.
        let isOver = conversation.goAway != nil && conversation.expected.allSatisfy { $0.ending != nil }
        #expect(seen.isOver == isOver && seen.hasPeerSettings)
        #expect(seen.goAway == conversation.goAway)
    }

    @Test("a session's memory is freed when it ends", .enabled(if: Self.canMeasure))
    func memory() throws {
        func growth(_ count: Int, _ run: (Int) throws -> Void) throws -> Int {
            for number in 0..<count / 5 { try run(number) }
            ProcessFigures.releaseFreeMemory()
            let before = ProcessFigures.residentMemory
            for number in 0..<count { try run(number) }
            ProcessFigures.releaseFreeMemory()
            return ProcessFigures.residentMemory - before
        }
        let conversations = try growth(1500) { number in
            let conversation = try HTTP2Conversation(seed: UInt64(number % 20))
            let bytes = conversation.transcript + pattern(200, seed: UInt64(number))
            _ = try HTTP2Observation(of: bytes, chunk: { 100 })
        }
        #expect(conversations < 4 << 20, "\(conversations >> 10) KiB")
        // There are so many that a hundred bytes of each would show, such as its callbacks.
        let sessions = try growth(100_000) { _ in _ = try HTTP2Session(settings: .init()) }
        #expect(sessions < 4 << 20, "\(sessions >> 10) KiB")
    }

    @Test("a session that ends is freed with its streams, whatever their state is")
    func references() throws {
        let (session, streams) = try traces()
        #expect(session.object == nil)
        #expect(streams.map { $0.object == nil } == [true, true, true, true])
    }

    private struct Trace<Object: AnyObject> {
        weak var object: Object?
    }

    /// A session that nothing refers to any more, with four streams: ended, answered in part, sent, and not sent.
    private func traces() throws -> (Trace<HTTP2Session>, [Trace<HTTP2Stream>]) {
        let pair = try HTTP2Pair()
        pair.script = { exchange, event in
            guard event == .end, exchange.id < 5 else { return }
            exchange.send([(":status", "200")])
            exchange.send([1, 2, 3])
            if exchange.id == 1 { exchange.end(trailers: [("grpc-status", "0")]) }
        }
        var streams = try (0..<3).map { _ in try pair.open() }
        try pair.run()
        streams.append(try pair.open())
        #expect(streams.map { $0.ending != nil } == [true, false, false, false])
        return (Trace(object: pair.client), streams.map { Trace(object: $0) })
    }

    private static let canMeasure = ProcessFigures.areAvailable && !ProcessFigures.isThreadSanitized

    /// The events that a session makes of `bytes`, which may not depend on how they are cut.
    private func observe(
        _ bytes: [UInt8],
        _ random: inout SplitMix64,
        _ settings: HTTP2Session.Settings = .init()
    ) throws -> HTTP2Observation {
        let whole = try HTTP2Observation(of: bytes, chunk: { .max }, settings: settings)
        var generator = random
        let limit = [1, 3, 20, 200].randomElement(using: &generator) ?? 1
        let cut = try HTTP2Observation(
            of: bytes,
            chunk: { .random(in: 1...limit, using: &generator) },
            settings: settings
        )
        random = generator
        whole.check(against: bytes)
        cut.check(against: bytes)
        // A session that is over reports less when its bytes came at once.
        if !whole.isOver && !cut.isOver { #expect(cut == whole) }
        return cut
    }
}

/// The bytes of a proper server that answers three requests in random ways, and what a client must make of it.
private struct HTTP2Conversation {
    let transcript: [UInt8]
    private(set) var expected: [HTTP2Observation.Stream] = []
    let goAway: HTTP2Session.GoAway?

    init(seed: UInt64) throws {
        var random = SplitMix64(seed: seed &* 31 &+ 1)
        let pair = try HTTP2Pair()
        var answers: [@Sendable (HTTP2ServerExchange) -> Void] = []
        for number in 0..<3 {
            var stream = HTTP2Observation.Stream(id: Int32(2 * number + 1))
            let body = pattern(Int.random(in: 0..<300, using: &random), seed: random.next())
            let detail = "\(Int.random(in: 0..<1000, using: &random))"
            switch Int.random(in: 0..<5, using: &random) {
            case 0:
                let code: HTTP2ErrorCode = [.refusedStream, .cancel, .noError].randomElement(using: &random) ?? .cancel
                stream.ending = code == .refusedStream ? .notProcessed : .closed(code)
                answers.append { $0.reset(code) }
            case 1:
                stream.headers = [":status: 200", "grpc-status: 14", "detail: \(detail)"]
                stream.isRemoteClosed = true
                stream.ending = .closed(.noError)
                answers.append {
                    $0.send([(":status", "200"), ("grpc-status", "14"), ("detail", detail)], isLast: true)
                }
            case 2:
                // It has not come to its end.
                stream.headers = [":status: 200", "detail: \(detail)"]
                stream.data = body
                answers.append {
                    $0.send([(":status", "200"), ("detail", detail)])
                    $0.send(body)
                }
            default:
                stream.headers = [":status: 200"]
                stream.data = body + body
                stream.trailers = ["grpc-status: 0", "detail: \(detail)"]
                stream.isRemoteClosed = true
                stream.ending = .closed(.noError)
                answers.append {
                    $0.sendInterim([(":status", "103"), ("hint", detail)])
                    $0.send([(":status", "200")])
                    $0.send(body)
                    $0.send(body)
                    $0.end(trailers: [("grpc-status", "0"), ("detail", detail)])
                }
            }
            expected.append(stream)
        }
        pair.script = { exchange, event in
            if event == .end { answers[Int(exchange.id / 2)](exchange) }
        }
        for _ in 0..<3 { _ = try pair.open() }
        try pair.run()
        pair.server.ping()
        if Bool.random(using: &random) {
            pair.server.goAway(lastStreamID: 5, .enhanceYourCalm, "bye \(seed)")
            goAway = HTTP2Session.GoAway(code: .enhanceYourCalm, debugData: "bye \(seed)")
        } else {
            goAway = nil
        }
        try pair.run()
        transcript = pair.transcript
    }
}
