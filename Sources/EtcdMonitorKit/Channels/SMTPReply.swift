// SPDX-License-Identifier: Apache-2.0

/// A reply of a server, which can have several lines (RFC 5321, section 4.2).
struct SMTPReply: Sendable, Hashable {
    /// The three digits.
    let code: Int
    /// The texts after the digits, at least one.
    let lines: [String]

    /// The reply in one line, with the enhanced status code (RFC 3463) once.
    ///
    /// - Parameter secrets: Texts to leave out, in case the server repeats what it received.
    /// - Returns: The line, cut to a maximum length.
    func quoted(without secrets: [String]) -> String {
        var texts = lines
        if let status = lines.first.flatMap(Self.enhancedStatus) {
            for index in texts.indices.dropFirst() where texts[index].hasPrefix(status) {
                texts[index] = String(texts[index].dropFirst(status.count))
            }
        }
        return Self.quote("\(code) \(texts.joined(separator: " "))", without: secrets)
    }

    /// A text of the server in one short line.
    static func quote(_ text: String, without secrets: [String]) -> String {
        Redaction(secrets)(text)
    }

    /// The status at the start of a text, such as `5.7.8`.
    private static func enhancedStatus(_ text: String) -> String? {
        guard let first = text.split(separator: " ").first, text.hasPrefix(first) else { return nil }
        let numbers = first.split(separator: ".", omittingEmptySubsequences: false)
        let isStatus =
            numbers.count == 3 && numbers.allSatisfy { !$0.isEmpty && $0.utf8.allSatisfy { $0.digit != nil } }
        return isStatus ? String(first) : nil
    }
}

/// Parses replies from bytes that arrive in pieces of any size.
struct SMTPReplyParser: Sendable {
    /// The reason why bytes are not a reply.
    struct Malformed: Error {
        let reason: String
        /// The line, for people.
        var line = ""
    }

    /// The limits of a line and of a reply, in bytes: far more than the standard allows.
    static let (lineLimit, totalLimit) = (4096, 32 << 10)

    private var code: Int?
    private var lines: [String] = []
    private var total = 0

    /// Takes the lines of one reply from `unread`; nil if the reply is incomplete.
    mutating func next(_ unread: inout [UInt8]) throws(Malformed) -> SMTPReply? {
        var start = unread.startIndex
        defer { unread.removeFirst(start) }
        while let end = unread[start...].firstIndex(of: UInt8(ascii: "\n")) {
            let bytes = unread[start..<end]
            start = end + 1
            if bytes.count > Self.lineLimit { throw Malformed(reason: "a line of its reply is too long") }
            total += bytes.count + 1
            if total > Self.totalLimit { throw Malformed(reason: "its reply is too long") }
            if let reply = try add(bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes) { return reply }
        }
        if unread.count - start > Self.lineLimit { throw Malformed(reason: "a line of its reply is too long") }
        return nil
    }

    private mutating func add(_ line: ArraySlice<UInt8>) throws(Malformed) -> SMTPReply? {
        let text = String(decoding: line, as: UTF8.self)
        let digits = line.prefix(3).compactMap(\.digit)
        let separator = line.dropFirst(3).first
        guard digits.count == 3, (2...5).contains(digits[0]), separator.map({ " -".utf8.contains($0) }) ?? true else {
            throw Malformed(reason: "it does not speak SMTP", line: text)
        }
        let code = digits.reduce(0) { $0 * 10 + $1 }
        if self.code ?? code != code { throw Malformed(reason: "its reply has different codes", line: text) }
        self.code = code
        lines.append(String(decoding: line.dropFirst(4), as: UTF8.self))
        return separator == UInt8(ascii: "-") ? nil : SMTPReply(code: code, lines: lines)
    }
}
