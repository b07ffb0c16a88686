// SPDX-License-Identifier: Apache-2.0

/// Bytes that are often text: etcd's keys and values.
///
/// A string literal stands for its UTF-8 bytes, so `"users/1"` can be used as a ``Key``.
public protocol ByteString: Sendable, Hashable, ExpressibleByStringInterpolation, CustomStringConvertible
where StringLiteralType == String {
    /// The bytes.
    var bytes: [UInt8] { get set }

    /// Makes a byte string of `bytes`.
    ///
    /// - Parameter bytes: Any bytes.
    init(bytes: [UInt8])
}

extension ByteString {
    /// Makes a byte string of the UTF-8 bytes of `string`.
    ///
    /// - Parameter string: Any text.
    public init(_ string: String) { self.init(bytes: Array(string.utf8)) }

    /// Makes a byte string of a string literal.
    ///
    /// - Parameter value: The literal.
    public init(stringLiteral value: String) { self.init(value) }

    /// The text that the bytes encode in UTF-8, or nil if they are not UTF-8.
    public var string: String? { String(validating: bytes, as: UTF8.self) }

    /// The text, or for other bytes their number and their hexadecimal digits (at most 32 of them).
    public var description: String {
        if let string { return string }
        let digits = bytes.prefix(16).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
        return "<\(bytes.count) bytes: \(digits)\(bytes.count > 16 ? "…" : "")>"
    }

    /// The description, or the number of bytes where there are many.
    var shortDescription: String { bytes.count > 100 ? "<\(bytes.count) bytes>" : description }
}

/// The key of an entry: any bytes, at least one, ordered by their values.
public struct Key: ByteString, Comparable {
    /// The bytes.
    public var bytes: [UInt8]

    /// Makes a key of `bytes`.
    ///
    /// - Parameter bytes: At least one byte; etcd refuses an empty key.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// Whether `left` is before `right` in etcd's order, which is that of the bytes.
    public static func < (left: Key, right: Key) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }

    /// Whether the key begins with `prefix`.
    ///
    /// - Parameter prefix: The bytes to begin with.
    /// - Returns: True for every key if `prefix` is empty.
    public func hasPrefix(_ prefix: Key) -> Bool { bytes.starts(with: prefix.bytes) }

    /// A key joined of two parts.
    public static func + (left: Key, right: Key) -> Key { Key(bytes: left.bytes + right.bytes) }

    /// The smallest key after this one.
    var successor: Key { Key(bytes: bytes + [0]) }
}

/// The value of an entry: any bytes, or none.
public struct Value: ByteString {
    /// The bytes.
    public var bytes: [UInt8]

    /// Makes a value of `bytes`.
    ///
    /// - Parameter bytes: Any bytes, up to the server's limit for a request (1.5 MiB by default).
    public init(bytes: [UInt8]) { self.bytes = bytes }
}
