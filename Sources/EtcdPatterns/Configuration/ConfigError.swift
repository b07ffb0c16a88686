// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// An error in a configuration, one of its values, or a snapshot of it.
///
/// Failures of calls to etcd are `EtcdError`s.
public struct ConfigError: LocalizedError, Sendable, CustomStringConvertible {
    /// A kind of error.
    ///
    /// More may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the code, as in the source.
        public let description: String

        /// There is no value.
        public static let missing = Self(description: "missing")
        /// The value is not of the requested type.
        public static let wrongType = Self(description: "wrongType")
        /// A validator refuses the configuration.
        public static let invalid = Self(description: "invalid")
        /// The key is empty or reserved for the library (a part of it begins with a dot, or ends in `.snapshots`), or the name
        /// of a snapshot is empty.
        public static let invalidKey = Self(description: "invalidKey")
        /// Another client has changed the configuration meanwhile, so nothing was done.
        public static let conflict = Self(description: "conflict")
        /// There is no snapshot of the name.
        public static let noSnapshot = Self(description: "noSnapshot")
        /// There is a snapshot of the name already.
        public static let snapshotExists = Self(description: "snapshotExists")
        /// A snapshot, or the file with the last state, is not intact.
        public static let damaged = Self(description: "damaged")
        /// The file with the last state is older than allowed.
        public static let tooOld = Self(description: "tooOld")
        /// The file with the last state could not be written.
        public static let fileNotWritten = Self(description: "fileNotWritten")
        /// All readers see the restored state, but not all plain keys have their values yet; the next change completes it.
        public static let unfinished = Self(description: "unfinished")
    }

    /// The kind of error, for programs to act on.
    public let code: Code
    /// The key that the error is about, if any.
    public let key: Key?
    /// The value as it is stored, if any.
    public let value: Value?
    /// The message for people, with the key, the value and the requested type if the error is about a value.
    public let message: String
    /// The error behind this one, if any.
    public let cause: (any Error)?

    /// Makes an error, for validators and tests; the parameters are its properties.
    public init(_ code: Code, _ message: String, key: Key? = nil, value: Value? = nil, cause: (any Error)? = nil) {
        self.code = code
        self.key = key
        self.value = value
        self.message = message
        self.cause = cause
    }

    /// Makes the error of a value that a validator refuses.
    ///
    /// - Parameters:
    ///   - key: The key of the value.
    ///   - message: The rule that it breaks, such as `must be at least 1`.
    /// - Returns: An error with the code `invalid`.
    public static func invalid(_ key: Key, _ message: String) -> ConfigError {
        ConfigError(.invalid, "\"\(key)\" \(message)", key: key)
    }

    static func missing(_ key: Key) -> ConfigError { ConfigError(.missing, "\"\(key)\" has no value", key: key) }

    static func wrongType(_ key: Key, _ value: Value, wanted: String, cause: (any Error)? = nil) -> ConfigError {
        let message = "\"\(key)\" is \"\(abridged(value))\", not \(wanted)"
        return ConfigError(.wrongType, message, key: key, value: value, cause: cause)
    }

    /// The beginning of a value, for messages.
    static func abridged(_ value: Value) -> String {
        let text = value.description
        return text.count > 200 ? "\(text.prefix(200))…" : text
    }

    /// The code, the message and the cause in one line.
    public var description: String {
        let text = "\(code): \(message)"
        return cause.map { "\(text) (\($0))" } ?? text
    }

    /// The description.
    public var errorDescription: String? { description }
}
