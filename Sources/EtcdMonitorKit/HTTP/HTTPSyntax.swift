// SPDX-License-Identifier: Apache-2.0

// The grammar of RFC 9110 and 9112 that heads and targets share. All functions look at bytes: characters of a `String`
// can be equal although their bytes differ, and a character can hide a delimiter.

extension UInt8 {
    /// Whether it is allowed in the name of a field or a method.
    var isToken: Bool { isLetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains(self) }

    /// Whether it is allowed in a host with a port.
    var isHost: Bool { isLetterOrDigit || "-._~%!$&'()*+,;=:[]".utf8.contains(self) }

    var isLetterOrDigit: Bool { (0x61...0x7a).contains(lowercased) || digit != nil }

    /// Whether it is a visible ASCII character.
    var isVisible: Bool { (0x21...0x7e).contains(self) }

    /// Whether it is a space or a tab.
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// Whether it is a control character that is not allowed in a head.
    var isControl: Bool { self < 0x20 && self != 0x09 || self == 0x7f }

    /// The lower-case letter, if it is an ASCII letter.
    var lowercased: UInt8 { (0x41...0x5a).contains(self) ? self | 0x20 : self }

    /// The value of a decimal digit.
    var digit: Int? { (0x30...0x39).contains(self) ? Int(self) - 0x30 : nil }

    /// The value of a hexadecimal digit.
    var hexadecimalDigit: Int? {
        if let digit { return digit }
        return (0x61...0x66).contains(lowercased) ? Int(lowercased) - 0x57 : nil
    }
}

extension BidirectionalCollection<UInt8> where SubSequence: BidirectionalCollection {
    /// The bytes without blanks at the ends.
    var trimmed: SubSequence {
        let start = firstIndex { !$0.isBlank } ?? endIndex
        let end = lastIndex { !$0.isBlank }.map { index(after: $0) } ?? start
        return self[start..<end]
    }
}

extension HTTPHeaders {
    /// The elements of a list that may be spread over several fields, in lower case.
    ///
    /// - Parameter name: The name of the fields.
    /// - Returns: The elements in their order.
    func elements(of name: String) -> [String] {
        values(of: name).flatMap { value in
            let elements = Array(value.utf8).split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
            return elements.map { String(decoding: $0.trimmed.map(\.lowercased), as: UTF8.self) }
        }
    }
}
