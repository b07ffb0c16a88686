// SPDX-License-Identifier: Apache-2.0

/// A line of a page of metrics, with the position of the parser.
struct ExpositionLine {
    private let page: [UInt8]
    private var number = 0
    private var position = 0
    private var end = 0
    private var nextLine = 0

    init(page: [UInt8]) {
        self.page = page
    }

    /// Moves to the next line.
    ///
    /// Returns whether there is one.
    mutating func advance() throws(ExpositionError) -> Bool {
        guard nextLine < page.count else { return false }
        number += 1
        position = nextLine
        let limit = min(page.count, position + ExpositionParser.maximumLineLength + 1)
        end = page[position..<limit].firstIndex(of: UInt8(ascii: "\n")) ?? limit
        guard end - position <= ExpositionParser.maximumLineLength else {
            throw error("the line is longer than \(ExpositionParser.maximumLineLength) bytes")
        }
        nextLine = end + 1
        if end > position, page[end - 1] == UInt8(ascii: "\r") { end -= 1 }
        return true
    }

    func error(_ reason: String) -> ExpositionError {
        ExpositionError(line: number, reason: reason)
    }

    /// The next byte; nil at the end of the line.
    var peek: UInt8? { position < end ? page[position] : nil }

    mutating func skipBlanks() {
        while position < end, page[position] == UInt8(ascii: " ") || page[position] == UInt8(ascii: "\t") {
            position += 1
        }
    }

    /// Consumes the next byte if it is this one.
    mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// The text before the next blank.
    mutating func token() -> ArraySlice<UInt8> {
        let start = position
        while position < end, page[position] != UInt8(ascii: " "), page[position] != UInt8(ascii: "\t") {
            position += 1
        }
        return page[start..<position]
    }

    /// A name without quotes; nil if there is none.
    mutating func name() throws(ExpositionError) -> ArraySlice<UInt8>? {
        let start = position
        while position < end {
            switch page[position] {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "_"),
                UInt8(ascii: ":"):
                position += 1
                continue
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard position > start else { throw error("a name starts with a digit") }
                position += 1
                continue
            default: break
            }
            break
        }
        return start == position ? nil : page[start..<position]
    }

    /// The text in quotes, with `\\`, `\"` and `\n` unescaped.
    mutating func quoted() throws(ExpositionError) -> String {
        guard take("\"") else { throw error("missing quote") }
        let start = position
        var isEscaped = false
        while position < end, page[position] != UInt8(ascii: "\"") {
            if page[position] == UInt8(ascii: "\\") {
                isEscaped = true
                position += 1
            }
            position += 1
        }
        guard position < end else { throw error("a quote is not closed") }
        defer { position += 1 }
        return text(start..<position, isEscaped: isEscaped, quoteIsEscaped: true)
    }

    /// The rest of the line, with `\\` and `\n` unescaped.
    func help() -> String {
        text(position..<end, isEscaped: true, quoteIsEscaped: false)
    }

    /// An unknown escape stands for itself.
    private func text(_ range: Range<Int>, isEscaped: Bool, quoteIsEscaped: Bool) -> String {
        guard isEscaped else { return String(decoding: page[range], as: UTF8.self) }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(range.count)
        var iterator = page[range].makeIterator()
        while let byte = iterator.next() {
            guard byte == UInt8(ascii: "\\"), let next = iterator.next() else {
                bytes.append(byte)
                continue
            }
            switch next {
            case UInt8(ascii: "n"): bytes.append(UInt8(ascii: "\n"))
            case UInt8(ascii: "\\"): bytes.append(next)
            case UInt8(ascii: "\"") where quoteIsEscaped: bytes.append(next)
            default: bytes += [byte, next]
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
