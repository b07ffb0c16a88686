// SPDX-License-Identifier: Apache-2.0

/// The target of a request, decoded.
struct HTTPTarget: Sendable, Hashable {
    /// The path without the query, or `*`.
    let path: String
    /// The query, in which each name occurs once.
    let query: [String: String]
    /// The host in the target, which overrides the `Host` field.
    let authority: String?

    /// Parses the target of a start line.
    ///
    /// - Parameters:
    ///   - text: The bytes between the method and the version.
    ///   - method: The method.
    /// - Throws: A refusal with status 400, or 501 for a tunnel.
    init(_ text: ArraySlice<UInt8>, method: String) throws(HTTPRefusal) {
        guard text.allSatisfy({ $0.isVisible && $0 != UInt8(ascii: "#") }) else {
            throw HTTPRefusal(400, "The target has an invalid character.")
        }
        if method == "CONNECT" { throw HTTPRefusal(501, "This server does not support tunnels.") }
        if text.elementsEqual("*".utf8) {
            guard method == "OPTIONS" else { throw HTTPRefusal(400, "The target * is only for OPTIONS.") }
            (path, query, authority) = ("*", [:], nil)
            return
        }
        var rest = text
        if rest.first == UInt8(ascii: "/") {
            authority = nil
        } else {
            let schemes = ["http://", "https://"]
            guard let scheme = schemes.first(where: { text.lazy.map(\.lowercased).starts(with: $0.utf8) }) else {
                throw HTTPRefusal(400, "The target is neither a path nor a URL.")
            }
            rest = rest.dropFirst(scheme.utf8.count)
            let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? rest.endIndex
            guard end > rest.startIndex, rest[..<end].allSatisfy(\.isHost) else {
                throw HTTPRefusal(400, "The target has no valid host.")
            }
            authority = String(decoding: rest[..<end], as: UTF8.self)
            rest = rest[end...]
        }

        // The target is split before it is decoded, so that an encoded delimiter never delimits.
        let mark = rest.firstIndex(of: UInt8(ascii: "?")) ?? rest.endIndex
        let path = try Self.decode(rest[..<mark], isQuery: false)
        self.path = path.isEmpty ? "/" : path
        var query: [String: String] = [:]
        for pair in rest[mark...].dropFirst().split(separator: UInt8(ascii: "&")) {
            let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
            let name = try Self.decode(pair[..<equals], isQuery: true)
            let value = try Self.decode(pair[equals...].dropFirst(), isQuery: true)
            // Some parsers would choose the first value, others the last.
            guard query.updateValue(value, forKey: name) == nil else {
                throw HTTPRefusal(400, "The query has a parameter more than once.")
            }
        }
        self.query = query
    }

    /// Decodes percent escapes and, in a query, the plus sign, which stands for a space.
    private static func decode(_ text: ArraySlice<UInt8>, isQuery: Bool) throws(HTTPRefusal) -> String {
        var bytes: [UInt8] = []
        var rest = text
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(isQuery && byte == UInt8(ascii: "+") ? 0x20 : byte)
                continue
            }
            guard let high = rest.popFirst()?.hexadecimalDigit, let low = rest.popFirst()?.hexadecimalDigit else {
                throw HTTPRefusal(400, "The target has an escape without two hexadecimal digits.")
            }
            let decoded = UInt8(high << 4 | low)
            if decoded == 0 { throw HTTPRefusal(400, "The target has an encoded NUL.") }
            // After decoding, it could not be distinguished from a separator of segments.
            if decoded == UInt8(ascii: "/") && !isQuery { throw HTTPRefusal(400, "The path has an encoded slash.") }
            bytes.append(decoded)
        }
        guard let decoded = String(validating: bytes, as: UTF8.self) else {
            throw HTTPRefusal(400, "The target is not UTF-8.")
        }
        return decoded
    }
}
