// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// All that a session with three streams reports about a server's bytes.
struct HTTP2Observation: Equatable {
    /// The record of a stream.
    struct Stream: Equatable {
        let id: Int32
        var headers: [String] = []
        var trailers: [String] = []
        var data: [UInt8] = []
        var isRemoteClosed = false
        /// How it ended before the end of the connection, if it did.
        var ending: HTTP2Stream.Ending?
    }

    private(set) var streams: [Stream]
    /// The session refused the bytes, or wants no more.
    private(set) var isOver = false
    private(set) var hasPeerSettings = false
    private(set) var goAway: HTTP2Session.GoAway?
    private let headerListLimit: Int
    /// How many bytes the session has sent.
    private(set) var outputCount = 0

    /// Feeds `bytes` to a session in chunks, each as long as `chunk` says, and looks at all that it makes of them.
    init(of bytes: [UInt8], chunk: () -> Int, settings: HTTP2Session.Settings = .init()) throws {
        headerListLimit = settings.headerListLimit
        let session = try HTTP2Session(settings: settings)
        let headers = GRPCMetadata(authority: "peer:1").headers(path: "/service/method")
        let streams = try (0..<3).map { number in
            try session.open(headers, body: [1, 2, 3], endStream: true, window: number == 0 ? .manual : .automatic)
        }
        self.streams = streams.map { Stream(id: $0.id) }
        var output: [UInt8] = []
        try session.send(into: &output, limit: .max)
        var rest = bytes[...]
        do {
            while !rest.isEmpty && !session.isFinished {
                let part = Array(rest.prefix(chunk()))
                rest = rest.dropFirst(part.count)
                try part.withUnsafeBytes { try session.receive($0) }
                note(session.takeTouchedStreams(), of: streams)
                output = []
                try session.send(into: &output, limit: .max)
                outputCount += output.count
                note(session.takeTouchedStreams(), of: streams)
            }
            isOver = session.isFinished
        } catch is HTTP2Error {
            isOver = true
        }
        note(session.takeTouchedStreams(), of: streams)
        (hasPeerSettings, goAway) = (session.hasPeerSettings, session.goAway)

        // A stream that has ended is forgotten; the others end with the connection.
        let open = streams.filter { $0.ending == nil }
        #expect(Set(session.streams.map(\.id)) == Set(open.map(\.id)))
        session.endAllStreams("the test is over")
        #expect(Set(session.takeTouchedStreams().map(\.id)) == Set(open.map(\.id)))
        #expect(session.streams.isEmpty)
        for (index, stream) in streams.enumerated() {
            let seen = self.streams[index]
            // Fields are taken as they come, and the stream is named when their list is complete.
            self.streams[index].headers = stream.headers.fields.map { "\($0.name): \($0.value)" }
            self.streams[index].trailers = stream.trailers.fields.map { "\($0.name): \($0.value)" }
            #expect(stream.ending == seen.ending ?? .connectionLost("the test is over"))
        }
    }

    private mutating func note(_ touched: [HTTP2Stream], of all: [HTTP2Stream]) {
        #expect(Set(touched.map(\.id)).count == touched.count, "a stream is named once")
        for stream in touched {
            guard let index = streams.firstIndex(where: { $0.id == stream.id }) else {
                Issue.record("stream \(stream.id) was never opened")
                continue
            }
            // An ended stream has no further events.
            #expect(streams[index].ending == nil)
            streams[index].data += stream.takeReceived()
            streams[index].isRemoteClosed = stream.isRemoteClosed
            streams[index].ending = stream.ending
        }
    }

    /// Compares it with the frames in the bytes.
    func check(against bytes: [UInt8]) {
        let frames = HTTP2FrameScanner(bytes)
        // Answers to settings and pings, resets, a GOAWAY: a server must not make the client send without bound.
        #expect(outputCount <= 200 + 40 * (frames.frames.count + 1))
        if hasPeerSettings { #expect(frames.beginsWithSettings) }
        if frames.beginsWithSettings && !isOver { #expect(hasPeerSettings) }
        if let goAway {
            #expect(frames.goAways.contains { $0.code == goAway.code.rawValue })
        } else if !isOver {
            #expect(frames.goAways.isEmpty)
        }
        for stream in streams { check(stream, against: frames) }
    }

    private func check(_ stream: Stream, against frames: HTTP2FrameScanner) {
        let sent = frames.data(of: stream.id)
        #expect(sent.starts(with: stream.data), "stream \(stream.id) has data that the server has not sent")
        if !isOver && stream.ending == nil { #expect(stream.data.count == sent.count) }
        if !stream.headers.isEmpty { #expect(frames.hasHeaders(on: stream.id)) }
        if stream.isRemoteClosed { #expect(frames.ends(stream.id)) }
        let size = (stream.headers + stream.trailers).reduce(0) { $0 + $1.utf8.count + 30 }
        #expect(size <= 2 * headerListLimit)
        switch stream.ending {
        case nil: break
        case .refused:
            let isStrict = headerListLimit < HTTP2Session.Settings().headerListLimit
            #expect(isStrict && frames.hasHeaders(on: stream.id), "only a list that is too large is refused")
        case .connectionLost: Issue.record("stream \(stream.id) is lost before its connection")
        case .notProcessed:
            let isLeftOut = frames.goAways.contains { $0.last < stream.id }
            #expect(isLeftOut || frames.resets(of: stream.id).contains(7))
        case .closed(let code):
            // The server has ended or reset it, or has broken a rule on it, for which the client resets it.
            let isEnded = code == .noError && stream.isRemoteClosed
            let isBroken = [1, 2, 5].contains(code.rawValue)
            let isFlood = code == HTTP2ErrorCode(rawValue: 3)
            #expect(
                isEnded || frames.resets(of: stream.id).contains(code.rawValue) || isBroken || isFlood,
                "stream \(stream.id) ends with \(code)"
            )
        }
    }
}
