// SPDX-License-Identifier: Apache-2.0

/// The access of the users with a role to the keys of a range.
public struct Permission: Sendable, Hashable, CustomStringConvertible {
    /// The operations that are permitted.
    ///
    /// A newer etcd may know more than these, so a `switch` needs a `default`.
    public struct Access: Sendable, Hashable, CustomStringConvertible, ProtobufEnum {
        let rawValue: Int32

        /// Reading and watching.
        public static let read = Access(rawValue: 0)
        /// Putting and deleting; a deletion that returns the previous entries also needs ``read``.
        public static let write = Access(rawValue: 1)
        /// Both.
        public static let readWrite = Access(rawValue: 2)

        /// The access in words.
        public var description: String {
            switch self {
            case .read: "read"
            case .write: "write"
            case .readWrite: "read and write"
            default: "access \(rawValue)"
            }
        }
    }

    /// The operations that are permitted for the keys.
    public internal(set) var access: Access
    /// The keys.
    public internal(set) var range: KeyRange

    /// Makes a permission.
    ///
    /// - Parameters:
    ///   - access: The operations that are permitted for the keys.
    ///   - range: The keys.
    public init(_ access: Access, _ range: KeyRange) {
        self.access = access
        self.range = range
    }

    /// The permission with the default value of each field.
    init() { self.init(.read, .key("")) }

    /// The permission in words.
    public var description: String { "\(access) \(range)" }
}
