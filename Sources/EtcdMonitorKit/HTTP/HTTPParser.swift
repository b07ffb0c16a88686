// SPDX-License-Identifier: Apache-2.0

/// Parses HTTP/1.1 messages (RFC 9112) from bytes in pieces of any size, without input and output.
///
/// It is strict: it refuses anything that another parser could interpret differently.
struct HTTPParser {
    enum Role: Sendable, Hashable {
        case requests
        /// Responses to a request of a method.
        case responses(to: String)
    }

    enum Event: Sendable, Hashable {
        /// A head. A body follows, which may be empty.
        case head(HTTPHead)
        /// The body, which ends the message.
        case body([UInt8])
    }

    private enum State {
        case startLine
        case fields(HTTPHead)
        case fixed(Int)
        case chunkLine
        case chunk(Int)
        case chunkEnd
        case trailers
        case untilEnd
    }

    /// The longest line with the size of a chunk, in bytes.
    private static let chunkLineLimit = 128

    private let role: Role
    private let limits: HTTPLimits
    private var state = State.startLine
    private var refusal: HTTPRefusal?
    private var buffer: [UInt8] = []
    /// The first unparsed byte in the buffer.
    private var start = 0
    /// The first byte in the buffer that was not yet searched for the end of a line.
    private var scanned = 0
    private var fieldBytes = 0
    private var fieldCount = 0
    private var emptyLines = 0
    private var body: [UInt8] = []

    init(_ role: Role, limits: HTTPLimits = HTTPLimits()) {
        self.role = role
        self.limits = limits
    }

    /// Whether there are bytes of an incomplete message.
    var hasUnread: Bool { start < buffer.count }

    /// Whether the head of a message has arrived, but not the end of its body.
    var expectsBody: Bool {
        switch state {
        case .startLine, .fields, .fixed(0): false
        default: true
        }
    }

    /// Adds received bytes.
    mutating func append(_ bytes: some Collection<UInt8>) {
        buffer.removeFirst(start)
        scanned -= start
        start = 0
        buffer.append(contentsOf: bytes)
    }

    /// The next part of a message; nil if more bytes are needed.
    ///
    /// - Throws: The reason why the bytes are not a message. Later calls throw it again.
    mutating func next() throws(HTTPRefusal) -> Event? {
        if let refusal { throw refusal }
        do {
            return try advance()
        } catch {
            refusal = error
            throw error
        }
    }

    /// The last part of a message, after the last byte of the stream; nil if there is no message.
    ///
    /// - Throws: ``HTTPRefusal/cutOff`` if there is an incomplete message.
    mutating func finish() throws(HTTPRefusal) -> Event? {
        if let event = try next() { return event }
        switch state {
        case .untilEnd: return endMessage()
        case .startLine where !hasUnread: return nil
        default: throw .cutOff
        }
    }

    private mutating func advance() throws(HTTPRefusal) -> Event? {
        while true {
            switch state {
            case .startLine:
                let tooLong = HTTPRefusal(414, "The start line is longer than \(limits.startLine) bytes.")
                guard let line = try nextLine(limit: limits.startLine, else: tooLong) else { return nil }
                if line.isEmpty && emptyLines == 0 && role == .requests {
                    // Some old clients send an empty line after a body; the RFC requires to ignore it.
                    emptyLines += 1
                } else {
                    let head = role == .requests ? try HTTPHead.request(line) : try HTTPHead.response(line)
                    state = .fields(head)
                }
            case .fields(var head):
                guard let line = try nextFieldLine() else { return nil }
                if line.isEmpty { return try endHead(head) }
                let field = try HTTPHead.field(line)
                head.headers.add(field.name, field.value)
                state = .fields(head)
            case .fixed(let count):
                let missing = take(count)
                if missing == 0 { return endMessage() }
                state = .fixed(missing)
                return nil
            case .chunkLine:
                let tooLong = HTTPRefusal(400, "The size of a chunk is longer than \(Self.chunkLineLimit) bytes.")
                guard let line = try nextLine(limit: Self.chunkLineLimit, else: tooLong) else { return nil }
                let size = try Self.chunkSize(line)
                try checkBody(adding: size)
                state = size == 0 ? .trailers : .chunk(size)
            case .chunk(let count):
                let missing = take(count)
                state = missing == 0 ? .chunkEnd : .chunk(missing)
                if missing > 0 { return nil }
            case .chunkEnd:
                let tooLong = HTTPRefusal(400, "A chunk is longer than its size.")
                guard try nextLine(limit: 0, else: tooLong) != nil else { return nil }
                state = .chunkLine
            case .trailers:
                guard let line = try nextFieldLine() else { return nil }
                if line.isEmpty { return endMessage() }
                // Trailers are checked and dropped, because nothing uses them.
                _ = try HTTPHead.field(line)
            case .untilEnd:
                try checkBody(adding: buffer.count - start)
                _ = take(buffer.count - start)
                return nil
            }
        }
    }

    private mutating func endHead(_ complete: HTTPHead) throws(HTTPRefusal) -> Event {
        var head = complete
        try head.checkHost()
        switch try head.framing(answersHead: role == .responses(to: "HEAD")) {
        case .length(let length):
            try checkBody(adding: length)
            state = .fixed(length)
        case .chunked: state = .chunkLine
        case .untilEnd: state = .untilEnd
        }
        return .head(head)
    }

    private mutating func endMessage() -> Event {
        defer {
            state = .startLine
            body = []
            (fieldBytes, fieldCount, emptyLines) = (0, 0, 0)
        }
        return .body(body)
    }

    private func checkBody(adding count: Int) throws(HTTPRefusal) {
        if count > limits.body - body.count {
            throw HTTPRefusal(413, "The body is longer than \(limits.body) bytes.")
        }
    }

    private static func chunkSize(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> Int {
        // An extension after the semicolon is ignored.
        let digits = line.prefix { $0 != UInt8(ascii: ";") }
        guard !digits.isEmpty, let size = Int(String(decoding: digits, as: UTF8.self), radix: 16),
            digits.allSatisfy({ $0.hexadecimalDigit != nil })
        else { throw HTTPRefusal(400, "The size of a chunk is not a hexadecimal number.") }
        return size
    }

    /// Moves up to `count` bytes to the body.
    ///
    /// Returns how many are missing.
    private mutating func take(_ count: Int) -> Int {
        let taken = min(count, buffer.count - start)
        body.append(contentsOf: buffer[start..<start + taken])
        start += taken
        scanned = start
        return count - taken
    }

    private mutating func nextFieldLine() throws(HTTPRefusal) -> ArraySlice<UInt8>? {
        let tooLong = HTTPRefusal(431, "The fields are longer than \(limits.headers) bytes.")
        guard let line = try nextLine(limit: max(limits.headers - fieldBytes - 2, 0), else: tooLong) else { return nil }
        if !line.isEmpty {
            fieldBytes += line.count + 2
            fieldCount += 1
            if fieldCount > limits.fields { throw HTTPRefusal(431, "There are more than \(limits.fields) fields.") }
        }
        return line
    }

    /// The next line without its end; nil if it is incomplete.
    ///
    /// It checks each byte in turn, even of an incomplete line, so that the outcome does not depend on the pieces.
    private mutating func nextLine(limit: Int, else tooLong: HTTPRefusal) throws(HTTPRefusal) -> ArraySlice<UInt8>? {
        let (carriageReturn, lineFeed) = (UInt8(ascii: "\r"), UInt8(ascii: "\n"))
        while scanned < buffer.count {
            let byte = buffer[scanned]
            let followsReturn = scanned > start && buffer[scanned - 1] == carriageReturn
            if byte == lineFeed && followsReturn {
                let line = buffer[start..<scanned - 1]
                start = scanned + 1
                scanned = start
                return line
            }
            if followsReturn || byte == lineFeed { throw HTTPRefusal(400, "A line does not end with CR and LF.") }
            if byte != carriageReturn {
                if byte.isControl { throw HTTPRefusal(400, "There is a control character in the head.") }
                if scanned - start >= limit { throw tooLong }
            }
            scanned += 1
        }
        return nil
    }
}
