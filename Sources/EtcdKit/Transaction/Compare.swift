// SPDX-License-Identifier: Apache-2.0

/// A condition of a transaction: a property of a key compared with a constant.
///
/// ```swift
/// [.version("users/1") == 3, .value("mode") != "frozen", .isMissing("owner")]
/// ```
public struct Compare: Sendable, Hashable {
    let request: Wire.Compare

    /// The key exists.
    ///
    /// - Parameter key: The key.
    /// - Returns: The condition.
    public static func exists(_ key: Key) -> Compare { Target<Int64>.version(key) > 0 }

    /// The key does not exist.
    ///
    /// - Parameter key: The key.
    /// - Returns: The condition.
    public static func isMissing(_ key: Key) -> Compare { Target<Int64>.version(key) == 0 }

    /// A property of the entry under a key, or of all entries in a range, to be compared with `==`, `!=`, `<` or `>`.
    ///
    /// A missing key has the version, revisions and lease 0 and no value, so that no comparison of its value holds. For
    /// a range, the condition holds if it holds for every entry; for an empty range, it is compared as for a missing
    /// key.
    public struct Target<Operand>: Sendable {
        fileprivate let target: Wire.Compare.Target
        fileprivate let range: KeyRange
        fileprivate let assign: @Sendable (Operand, inout Wire.Compare) -> Void

        private func compared(_ result: Wire.Compare.Result, _ operand: Operand) -> Compare {
            var request = Wire.Compare(result: result, target: target, key: range.start, rangeEnd: range.end)
            assign(operand, &request)
            return Compare(request: request)
        }

        /// The property is `operand`.
        public static func == (target: Self, operand: Operand) -> Compare { target.compared(.equal, operand) }

        /// The property is not `operand`.
        public static func != (target: Self, operand: Operand) -> Compare { target.compared(.notEqual, operand) }

        /// The property is less than `operand`.
        public static func < (target: Self, operand: Operand) -> Compare { target.compared(.less, operand) }

        /// The property is greater than `operand`.
        public static func > (target: Self, operand: Operand) -> Compare { target.compared(.greater, operand) }
    }
}

extension Compare.Target where Operand == Int64 {
    /// The number of puts since the key was created; 0 for a missing key.
    ///
    /// - Parameter key: The key.
    /// - Returns: The property.
    public static func version(_ key: Key) -> Self { version(in: .key(key)) }

    /// The versions of all entries in `range`.
    ///
    /// - Parameter range: The range.
    /// - Returns: The property.
    public static func version(in range: KeyRange) -> Self { Self(target: .version, range: range) { $1.version = $0 } }
}

extension Compare.Target where Operand == Revision {
    /// The revision in which the key was created; 0 for a missing key.
    ///
    /// - Parameter key: The key.
    /// - Returns: The property.
    public static func createRevision(_ key: Key) -> Self { createRevision(in: .key(key)) }

    /// The creation revisions of all entries in `range`.
    ///
    /// - Parameter range: The range.
    /// - Returns: The property.
    public static func createRevision(in range: KeyRange) -> Self {
        Self(target: .createRevision, range: range) { $1.createRevision = $0.rawValue }
    }

    /// The revision of the last change; 0 for a missing key.
    ///
    /// - Parameter key: The key.
    /// - Returns: The property.
    public static func modRevision(_ key: Key) -> Self { modRevision(in: .key(key)) }

    /// The revisions of the last changes of all entries in `range`.
    ///
    /// - Parameter range: The range.
    /// - Returns: The property.
    public static func modRevision(in range: KeyRange) -> Self {
        Self(target: .modRevision, range: range) { $1.modRevision = $0.rawValue }
    }
}

extension Compare.Target where Operand == Value {
    /// The value; no comparison holds for a missing key.
    ///
    /// - Parameter key: The key.
    /// - Returns: The property.
    public static func value(_ key: Key) -> Self { value(in: .key(key)) }

    /// The values of all entries in `range`.
    ///
    /// - Parameter range: The range.
    /// - Returns: The property.
    public static func value(in range: KeyRange) -> Self { Self(target: .value, range: range) { $1.value = $0.bytes } }
}

extension Compare.Target where Operand == Lease.ID {
    /// The lease that the key is attached to; `.none` for a missing key and for one without a lease.
    ///
    /// - Parameter key: The key.
    /// - Returns: The property.
    public static func lease(_ key: Key) -> Self { lease(in: .key(key)) }

    /// The leases of all entries in `range`.
    ///
    /// - Parameter range: The range.
    /// - Returns: The property.
    public static func lease(in range: KeyRange) -> Self {
        Self(target: .lease, range: range) { $1.lease = $0.rawValue }
    }
}
