// SPDX-License-Identifier: Apache-2.0

/// Encodes HTTP/1.1 messages.
enum HTTPWriter {
    /// The chunk that ends a body.
    static let lastChunk = Array("0\r\n\r\n".utf8)

    /// The head of a request.
    ///
    /// The path and the query are encoded as in a URL.
    static func request(_ method: String, _ path: String, _ headers: HTTPHeaders) -> [UInt8] {
        var target = path.hasPrefix("/") ? "" : "/"
        for byte in path.utf8 {
            // Bytes that would break the line are escaped; the rest is up to the caller.
            target += byte.isVisible ? String(UnicodeScalar(byte)) : "%" + hexadecimal(byte, width: 2)
        }
        return head("\(method) \(target) HTTP/1.1", headers)
    }

    /// The head of a response.
    static func response(_ status: Int, _ headers: HTTPHeaders) -> [UInt8] {
        head("HTTP/1.1 \(status) \(reason(of: status))", headers)
    }

    /// A chunk of a body; empty for no bytes, which would end the body.
    static func chunk(_ bytes: [UInt8]) -> [UInt8] {
        if bytes.isEmpty { return [] }
        return Array("\(hexadecimal(bytes.count))\r\n".utf8) + bytes + Array("\r\n".utf8)
    }

    /// The reason phrase of a status.
    static func reason(of status: Int) -> String { reasons[status] ?? "Status" }

    private static func head(_ startLine: String, _ headers: HTTPHeaders) -> [UInt8] {
        var bytes = Array("\(startLine)\r\n".utf8)
        // An invalid name is left out, and a control character becomes a space: neither can end a field.
        for field in headers.fields where !field.name.isEmpty && field.name.utf8.allSatisfy(\.isToken) {
            bytes += Array("\(field.name): ".utf8) + field.value.utf8.map { $0.isControl ? 0x20 : $0 }
            bytes += Array("\r\n".utf8)
        }
        return bytes + Array("\r\n".utf8)
    }

    private static func hexadecimal(_ number: some BinaryInteger, width: Int = 1) -> String {
        let digits = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(width - digits.count, 0)) + digits
    }

    private static let reasons = [
        100: "Continue", 200: "OK", 201: "Created", 202: "Accepted", 204: "No Content", 301: "Moved Permanently",
        302: "Found", 303: "See Other", 304: "Not Modified", 307: "Temporary Redirect", 308: "Permanent Redirect",
        400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found", 405: "Method Not Allowed",
        406: "Not Acceptable", 408: "Request Timeout", 409: "Conflict", 410: "Gone", 411: "Length Required",
        412: "Precondition Failed", 413: "Content Too Large", 414: "URI Too Long", 415: "Unsupported Media Type",
        417: "Expectation Failed", 422: "Unprocessable Content", 429: "Too Many Requests",
        431: "Request Header Fields Too Large", 500: "Internal Server Error", 501: "Not Implemented",
        502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout", 505: "HTTP Version Not Supported",
    ]
}
