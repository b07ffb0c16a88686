// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The value of a flag for a context, with the reason, as in OpenFeature.
public struct FlagEvaluation<Value: Sendable>: Sendable, CustomStringConvertible {
    /// The value: that of the variant, or the caller's default.
    public let value: Value
    /// The name of the variant; nil where the value is the caller's default.
    public let variant: String?
    /// The reason for the value.
    public let reason: FlagReason
    /// The error, if there is one.
    public let error: FlagError?

    /// Makes an evaluation, for tests; the parameters are its properties.
    public init(value: Value, variant: String?, reason: FlagReason, error: FlagError? = nil) {
        self.value = value
        self.variant = variant
        self.reason = reason
        self.error = error
    }

    /// The value, the variant, the reason and the error in one line.
    public var description: String {
        let text = "\(value) (\(variant ?? "the caller's default")), \(reason)"
        return error.map { "\(text): \($0)" } ?? text
    }
}

extension FlagEvaluation: Equatable where Value: Equatable {}

/// The reason why a flag has its value; the descriptions are OpenFeature's.
///
/// More may be added, so a `switch` over reasons needs a `default`.
public struct FlagReason: Sendable, Hashable, CustomStringConvertible {
    /// The reason as OpenFeature writes it, such as `TARGETING_MATCH`.
    public let description: String

    /// The flag is the same for everybody.
    public static let `static` = Self(description: "STATIC")
    /// No rule of the flag matches.
    public static let `default` = Self(description: "DEFAULT")
    /// A rule of the flag matches.
    public static let targetingMatch = Self(description: "TARGETING_MATCH")
    /// The subject is in this part of a percentage rollout.
    public static let split = Self(description: "SPLIT")
    /// The flag is switched off, or a flag that it requires has another variant.
    public static let disabled = Self(description: "DISABLED")
    /// There is an error; see ``FlagEvaluation/error``.
    public static let error = Self(description: "ERROR")
    /// The value may be out of date, since etcd has been out of reach for a while.
    public static let stale = Self(description: "STALE")
}

/// An error in a flag, in its definition or its evaluation.
public struct FlagError: LocalizedError, Sendable, Hashable, CustomStringConvertible {
    /// A kind of error; the descriptions are OpenFeature's.
    ///
    /// More may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code as OpenFeature writes it, such as `FLAG_NOT_FOUND`.
        public let description: String

        /// There is no flag of this name.
        public static let flagNotFound = Self(description: "FLAG_NOT_FOUND")
        /// Flags are not known yet, since etcd has not been reached.
        public static let notReady = Self(description: "PROVIDER_NOT_READY")
        /// The definition, or a rule in it, is wrong.
        public static let invalidDefinition = Self(description: "PARSE_ERROR")
        /// The flag is not of the requested type.
        public static let typeMismatch = Self(description: "TYPE_MISMATCH")
        /// The context does not have the attribute that a split needs.
        public static let targetingKeyMissing = Self(description: "TARGETING_KEY_MISSING")
        /// A flag that is required is missing, broken, or requires this one.
        public static let prerequisite = Self(description: "GENERAL")

        /// Whether `error` is a ``FlagError`` of the code `code`, for clauses such as `catch FlagError.Code.flagNotFound`.
        public static func ~= (code: Code, error: any Error) -> Bool { (error as? FlagError)?.code == code }
    }

    /// The name of the flag.
    public let flag: String
    /// The kind of error, for programs to act on.
    public let code: Code
    /// The message for people.
    public let message: String

    /// Makes an error, for tests; the parameters are its properties.
    public init(_ flag: String, _ code: Code, _ message: String) {
        self.flag = flag
        self.code = code
        self.message = message
    }

    /// The flag, the code and the message in one line.
    public var description: String { "flag \"\(flag)\": \(code): \(message)" }

    /// The description.
    public var errorDescription: String? { description }
}
