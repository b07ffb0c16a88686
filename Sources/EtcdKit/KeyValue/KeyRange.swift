// SPDX-License-Identifier: Apache-2.0

/// A range of keys, in etcd's order of their bytes.
public struct KeyRange: Sendable, Hashable, CustomStringConvertible {
    /// The first key, as etcd's `key`.
    var start: [UInt8]
    /// etcd's `range_end`: empty for the one key ``start``, a zero byte for all keys from ``start`` on.
    var end: [UInt8]

    private static let unbounded: [UInt8] = [0]

    /// The one key `key`.
    ///
    /// - Parameter key: The key; etcd refuses an empty one.
    /// - Returns: The range.
    public static func key(_ key: Key) -> KeyRange {
        KeyRange(start: key.bytes, end: [])
    }

    /// All keys that begin with `prefix`.
    ///
    /// - Parameter prefix: The bytes to begin with; all keys if it is empty.
    /// - Returns: The range.
    public static func prefix(_ prefix: Key) -> KeyRange {
        if prefix.bytes.isEmpty { return .all }
        return KeyRange(start: prefix.bytes, end: prefixEnd(of: prefix.bytes))
    }

    /// The keys from `first` up to, but not including, `end`; none if `end` is not after `first`.
    ///
    /// - Parameters:
    ///   - first: The first key that belongs to the range.
    ///   - end: The first key after the range.
    /// - Returns: The range.
    public static func between(_ first: Key, _ end: Key) -> KeyRange {
        let start = first.bytes.isEmpty ? unbounded : first.bytes
        if Key(bytes: start) < end { return KeyRange(start: start, end: end.bytes) }
        // No keys: an end that equals the start. A zero byte as the end would mean all keys to etcd.
        let empty = start == unbounded ? start + start : start
        return KeyRange(start: empty, end: empty)
    }

    /// All keys from `first` on.
    ///
    /// - Parameter first: The first key that belongs to the range.
    /// - Returns: The range.
    public static func from(_ first: Key) -> KeyRange {
        KeyRange(start: first.bytes.isEmpty ? unbounded : first.bytes, end: unbounded)
    }

    /// All keys.
    public static let all = KeyRange(start: unbounded, end: unbounded)

    /// Whether `key` belongs to the range.
    ///
    /// - Parameter key: Any key.
    /// - Returns: True if it does.
    public func contains(_ key: Key) -> Bool {
        if end.isEmpty { return key.bytes == start }
        return !(key < Key(bytes: start)) && (end == Self.unbounded || key < Key(bytes: end))
    }

    /// Whether some key can be in both ranges.
    package func overlaps(_ other: KeyRange) -> Bool {
        if isEmpty || other.isEmpty { return false }
        return contains(Key(bytes: other.start)) || other.contains(Key(bytes: start))
    }

    /// The range in words.
    public var description: String {
        let first = Key(bytes: start)
        if self == .all { return "all keys" }
        if end.isEmpty { return "key \(first)" }
        if end == Self.unbounded { return "keys from \(first)" }
        if end == Self.prefixEnd(of: start) { return "prefix \(first)" }
        return "keys from \(first) to \(Key(bytes: end))"
    }

    /// The part of the range from `key` on.
    func from(_ key: Key) -> KeyRange { KeyRange(start: key.bytes, end: end) }

    /// Whether no key can be in the range.
    var isEmpty: Bool { start.isEmpty || start == end && end != Self.unbounded }

    /// The key of a range that is one key by its form, so that nothing can follow it.
    var singleKey: Key? { end.isEmpty ? Key(bytes: start) : nil }

    /// The first key that does not begin with `prefix` but comes after those that do.
    private static func prefixEnd(of prefix: [UInt8]) -> [UInt8] {
        var end = prefix
        while let last = end.popLast() {
            if last < 0xff { return end + [last + 1] }
        }
        return unbounded
    }
}
