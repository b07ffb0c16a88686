// SPDX-License-Identifier: Apache-2.0

// The grammar of RFC 9110 and 9112 that heads and targets share. All of it looks at bytes: characters of a `String`
// may be equal although their bytes differ, and one of them may hide a delimiter.

extension UInt8 {
    /// It may stand in the name of a field or a method.
    var isToken: Bool { isLetterOrDigit || "!#$%&'*+-.^_`|~".utf8.contains(self) }

    /// It may stand in a host with a port.
    var isHost: Bool { isLetterOrDigit || "-._~%!$&'()*+,;=:[]".utf8.contains(self) }

    var isLetterOrDigit: Bool { (0x61...0x7a).contains(lowercased) || digit != nil }

    /// A character that people see, of ASCII.
    var isVisible: Bool { (0x21...0x7e).contains(self) }

    /// A space or a tab.
    var isBlank: Bool { self == 0x20 || self == 0x09 }

    /// A control character that stands nowhere in a head.
    var isControl: Bool { self < 0x20 && self != 0x09 || self == 0x7f }

    /// The letter in lower case, if it is one of ASCII.
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
    /// The bytes without blanks at their ends.
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
