// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The keys of a run, all below its prefix.
struct BenchmarkKeys: Sendable {
    let prefix: Key
    /// The numbered keys: decimal digits with leading zeros.
    let keys: [Key]
    /// Marks the prefix as used by this run; it sorts before all other keys.
    let marker: Key
    /// All keys of the prefix except the marker lie from here to ``end``.
    let start: Key
    let end: Key
    /// The range of the numbered keys.
    let numbered: KeyRange

    /// Makes the keys of a prefix that ends in a slash.
    init(_ options: BenchmarkOptions, prefix: Key) {
        self.prefix = prefix
        let size = options.keySize
        keys = (0..<options.keyCount).map { Key(bytes: Self.bytes(prefix, $0, size: size)) }
        marker = prefix + ".run"
        start = prefix + "0"
        // The byte after the slash.
        end = Key(bytes: prefix.bytes.dropLast() + [UInt8(ascii: "0")])
        numbered = .between(start, prefix + ":")
    }

    /// The name of the lock with this number.
    func lock(_ number: Int) -> Key {
        Key(bytes: Self.bytes(prefix, number, size: 8, infix: [UInt8]("lock/".utf8)))
    }

    private static func bytes(_ prefix: Key, _ number: Int, size: Int, infix: [UInt8] = []) -> [UInt8] {
        let start = prefix.bytes.count + infix.count
        // The number of a lock may have more digits.
        let size = max(size, number < 100_000_000 ? 0 : 19)
        return [UInt8](unsafeUninitializedCapacity: start + size) { buffer, count in
            count = start + size
            var index = 0
            for byte in prefix.bytes {
                buffer.initializeElement(at: index, to: byte)
                index += 1
            }
            for byte in infix {
                buffer.initializeElement(at: index, to: byte)
                index += 1
            }
            var rest = number
            for index in (start..<start + size).reversed() {
                buffer.initializeElement(at: index, to: UInt8(ascii: "0") + UInt8(rest % 10))
                rest /= 10
            }
        }
    }
}

/// A time in the first bytes of a value, from which a watcher computes the latency of a change.
enum TimeStamp {
    /// The size of a time in bytes.
    static let size = 8

    /// A value of at least ``size`` bytes that contains its intended start, in nanoseconds.
    static func value(_ template: [UInt8], time: UInt64) -> Value {
        var bytes = template
        for index in 0..<size { bytes[index] = UInt8(truncatingIfNeeded: time >> UInt64(8 * index)) }
        return Value(bytes: bytes)
    }

    /// The time in a value; nil if there is none.
    static func time(of value: Value) -> UInt64? {
        guard value.bytes.count >= size else { return nil }
        return value.bytes[..<size].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
