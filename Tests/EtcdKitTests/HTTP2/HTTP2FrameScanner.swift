// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit

/// Frames of HTTP/2 as they stand in a server's bytes, read without any of the code under test.
///
/// The session may report only events that follow from these bytes: see ``HTTP2Observation/check(against:)``.
struct HTTP2FrameScanner {
    struct Frame {
        let type: UInt8
        let flags: UInt8
        let stream: Int32
        let payload: ArraySlice<UInt8>

        func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

        /// The number in the four bytes from `offset` on.
        func number(at offset: Int = 0) -> UInt32? {
            let bytes = payload.dropFirst(offset).prefix(4)
            return bytes.count == 4 ? bytes.reduce(0) { $0 << 8 | UInt32($1) } : nil
        }

        /// The content of a DATA frame without its padding; nil if that is wrong.
        var data: ArraySlice<UInt8>? {
            guard has(8) else { return payload }
            guard let padding = payload.first, Int(padding) < payload.count else { return nil }
            return payload.dropFirst().dropLast(Int(padding))
        }
    }

    /// The complete frames.
    let frames: [Frame]
    /// The last frame, if it is not complete: its data and header fields are taken as they come.
    let rest: Frame?

    init(_ bytes: [UInt8]) {
        var (frames, partial) = ([Frame](), Frame?.none)
        var left = bytes[...]
        while left.count >= 9 {
            let header = Array(left.prefix(9))
            let length = header[..<3].reduce(0) { $0 << 8 | Int($1) }
            let stream = Int32(bitPattern: header[5...].reduce(0) { $0 << 8 | UInt32($1) } & 0x7fff_ffff)
            let payload = left.dropFirst(9).prefix(length)
            let frame = Frame(type: header[3], flags: header[4], stream: stream, payload: payload)
            if payload.count < length {
                partial = frame
                break
            }
            frames.append(frame)
            left = left.dropFirst(9 + length)
        }
        self.frames = frames
        rest = partial
    }

    private func frames(_ type: UInt8, on stream: Int32) -> [Frame] {
        frames.filter { $0.type == type && $0.stream == stream }
    }

    /// All data for a stream, in their order.
    func data(of stream: Int32) -> [UInt8] {
        let complete = frames(0, on: stream).flatMap { $0.data ?? [] }
        guard let rest, rest.type == 0, rest.stream == stream else { return complete }
        return complete + (rest.has(8) ? rest.payload.dropFirst() : rest.payload)
    }

    /// The server has ended its side of the stream, perhaps in a frame that does not count.
    func ends(_ stream: Int32) -> Bool {
        (frames(0, on: stream) + frames(1, on: stream)).contains { $0.has(1) }
    }

    func hasHeaders(on stream: Int32) -> Bool {
        !frames(1, on: stream).isEmpty || rest.map { $0.type == 1 && $0.stream == stream } ?? false
    }

    /// With which codes the server resets the stream.
    func resets(of stream: Int32) -> Set<UInt32> { Set(frames(3, on: stream).compactMap { $0.number() }) }

    /// The last stream and the code of each GOAWAY frame.
    var goAways: [(last: Int32, code: UInt32)] {
        frames.filter { $0.type == 7 }.compactMap { frame in
            guard let last = frame.number(), let code = frame.number(at: 4) else { return nil }
            return (Int32(bitPattern: last & 0x7fff_ffff), code)
        }
    }

    /// The first frame is the server's settings, as it must be.
    var beginsWithSettings: Bool { frames.first.map { $0.type == 4 && !$0.has(1) && $0.stream == 0 } ?? false }
}
