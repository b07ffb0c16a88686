// SPDX-License-Identifier: Apache-2.0

/// The head of a message: its start line and its fields.
struct HTTPHead: Sendable, Hashable {
    enum StartLine: Sendable, Hashable {
        case request(method: String, HTTPTarget)
        case response(status: Int)
    }

    /// The length of the body.
    enum Framing: Sendable, Hashable {
        case length(Int)
        case chunked
        /// Everything until the end of the stream.
        case untilEnd
    }

    let startLine: StartLine
    /// 1 for HTTP/1.1, 0 for HTTP/1.0.
    let minorVersion: Int
    var headers: HTTPHeaders = [:]

    /// Whether the connection can be used for another message.
    ///
    /// HTTP/1.0 connections are always closed, because their keep-alive is an unreliable extension.
    var keepsAlive: Bool { minorVersion == 1 && !headers.elements(of: "Connection").contains("close") }

    /// Parses `METHOD target HTTP/1.x`.
    static func request(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> HTTPHead {
        let parts = line.split(separator: 0x20, omittingEmptySubsequences: false)
        guard parts.count == 3 else {
            throw HTTPRefusal(400, "The start line is not a method, a target and a version, with one space between.")
        }
        guard !parts[0].isEmpty, parts[0].allSatisfy(\.isToken) else {
            throw HTTPRefusal(400, "The method is not a token.")
        }
        let minorVersion = try minorVersion(of: parts[2])
        let method = String(decoding: parts[0], as: UTF8.self)
        let target = try HTTPTarget(parts[1], method: method)
        return HTTPHead(startLine: .request(method: method, target), minorVersion: minorVersion)
    }

    /// Parses `HTTP/1.x 200 reason`.
    static func response(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> HTTPHead {
        let parts = line.split(separator: 0x20, maxSplits: 2, omittingEmptySubsequences: false)
        let minorVersion = try minorVersion(of: parts.first ?? [])
        let digits = parts.count > 1 ? parts[1].compactMap(\.digit) : []
        let status = digits.reduce(0) { $0 * 10 + $1 }
        guard digits.count == 3, parts[1].count == 3, (100...599).contains(status) else {
            throw HTTPRefusal(400, "The status is not a number from 100 to 599.")
        }
        return HTTPHead(startLine: .response(status: status), minorVersion: minorVersion)
    }

    private static func minorVersion(of text: ArraySlice<UInt8>) throws(HTTPRefusal) -> Int {
        if text.elementsEqual("HTTP/1.1".utf8) { return 1 }
        if text.elementsEqual("HTTP/1.0".utf8) { return 0 }
        guard text.count == 8, text.starts(with: "HTTP/".utf8), text.dropFirst(6).first == UInt8(ascii: "."),
            text.dropFirst(5).first?.digit != nil, text.last?.digit != nil
        else { throw HTTPRefusal(400, "The start line has no version of HTTP.") }
        throw HTTPRefusal(505, "The version is neither HTTP/1.1 nor HTTP/1.0.")
    }

    /// Parses `Name: value`.
    static func field(_ line: ArraySlice<UInt8>) throws(HTTPRefusal) -> HTTPHeaders.Field {
        if line.first?.isBlank == true { throw HTTPRefusal(400, "A field continues on a second line.") }
        guard let colon = line.firstIndex(of: UInt8(ascii: ":")) else {
            throw HTTPRefusal(400, "A field has no colon.")
        }
        guard colon > line.startIndex, line[..<colon].allSatisfy(\.isToken) else {
            throw HTTPRefusal(400, "The name of a field is not a token.")
        }
        return HTTPHeaders.Field(
            name: String(decoding: line[..<colon], as: UTF8.self),
            value: String(decoding: line[line.index(after: colon)...].trimmed, as: UTF8.self)
        )
    }

    /// Checks the `Host` field of a request.
    ///
    /// The host in the target replaces it.
    mutating func checkHost() throws(HTTPRefusal) {
        guard case .request(_, let target) = startLine else { return }
        let hosts = headers.values(of: "Host")
        if hosts.count > 1 { throw HTTPRefusal(400, "There is more than one Host field.") }
        if hosts.isEmpty && minorVersion == 1 { throw HTTPRefusal(400, "There is no Host field.") }
        guard hosts.allSatisfy({ $0.utf8.allSatisfy(\.isHost) }) else {
            throw HTTPRefusal(400, "The Host field is not a host.")
        }
        if let authority = target.authority { headers["Host"] = authority }
    }

    /// The length of the body (RFC 9112, section 6.3).
    ///
    /// Anything that two parsers could interpret differently is refused.
    ///
    /// - Parameter answersHead: Whether it is the response to a HEAD request.
    /// - Returns: The end of the body.
    /// - Throws: A refusal with status 400, or 501 for a transfer coding other than chunked.
    func framing(answersHead: Bool) throws(HTTPRefusal) -> Framing {
        let lengths = headers.values(of: "Content-Length")
        if !headers.values(of: "Transfer-Encoding").isEmpty {
            if minorVersion == 0 { throw HTTPRefusal(400, "HTTP/1.0 has no Transfer-Encoding.") }
            if !lengths.isEmpty { throw HTTPRefusal(400, "There are both Transfer-Encoding and Content-Length.") }
        }
        if lengths.count > 1 { throw HTTPRefusal(400, "There is more than one Content-Length field.") }
        if case .response(let status) = startLine, answersHead || status < 200 || status == 204 || status == 304 {
            return .length(0)
        }
        if !headers.values(of: "Transfer-Encoding").isEmpty {
            let codings = headers.elements(of: "Transfer-Encoding")
            if codings == ["chunked"] { return .chunked }
            if codings.allSatisfy({ $0 == "chunked" }) {
                throw HTTPRefusal(400, "Transfer-Encoding is not chunked once.")
            }
            throw HTTPRefusal(501, "There is a transfer coding other than chunked.")
        }
        if let length = lengths.first {
            let digits = length.utf8.compactMap(\.digit)
            guard !digits.isEmpty, digits.count == length.utf8.count else {
                throw HTTPRefusal(400, "Content-Length is not a number.")
            }
            // A number that exceeds Int exceeds every limit.
            return .length(Int(length) ?? .max)
        }
        if case .response = startLine { return .untilEnd }
        return .length(0)
    }
}
