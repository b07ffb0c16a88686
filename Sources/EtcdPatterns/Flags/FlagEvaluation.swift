// SPDX-License-Identifier: Apache-2.0

/// What a flag is for a context, and why; as OpenFeature has it.
public struct FlagEvaluation<Value: Sendable>: Sendable {
    /// The value: that of the variant, or the caller's default.
    public let value: Value
    /// The name of the variant; nil where the value is the caller's default.
    public let variant: String?
    /// Why it is this value.
    public let reason: FlagReason
    /// What is wrong, if something is.
    public let error: FlagError?
}

extension FlagEvaluation: Equatable where Value: Equatable {}

/// Why a flag has the value that it has; the descriptions are OpenFeature's.
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
    /// By the place in a percentage rollout.
    public static let split = Self(description: "SPLIT")
    /// The flag is switched off, or one that it requires is not as it should be.
    public static let disabled = Self(description: "DISABLED")
    /// Something is wrong; ``FlagEvaluation/error`` says what.
    public static let error = Self(description: "ERROR")
    /// The value may be out of date, since etcd was out of reach for a while.
    public static let stale = Self(description: "STALE")
}

/// What is wrong with a flag, its definition or its evaluation.
public struct FlagError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A kind of error; the descriptions are OpenFeature's.
    ///
    /// More may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The code as OpenFeature writes it, such as `FLAG_NOT_FOUND`.
        public let description: String

        /// There is no flag of this name.
        public static let flagNotFound = Self(description: "FLAG_NOT_FOUND")
        /// Flags are not known yet, since etcd was not reached.
        public static let notReady = Self(description: "PROVIDER_NOT_READY")
        /// The definition, or a rule in it, cannot be understood: correct it.
        public static let invalidDefinition = Self(description: "PARSE_ERROR")
        /// The flag is of another type than asked for.
        public static let typeMismatch = Self(description: "TYPE_MISMATCH")
        /// The context does not have what a percentage is of.
        public static let targetingKeyMissing = Self(description: "TARGETING_KEY_MISSING")
        /// A flag that is required is missing, broken, or requires this one.
        public static let prerequisite = Self(description: "GENERAL")

        /// Whether `error` is a ``FlagError`` of the code `code`, for clauses such as `catch FlagError.Code.flagNotFound`.
        public static func ~= (code: Code, error: any Error) -> Bool { (error as? FlagError)?.code == code }
    }

    /// The name of the flag.
    public let flag: String
    /// What kind of error it is: the part to decide by.
    public let code: Code
    /// What is wrong, for people.
    public let message: String

    init(_ flag: String, _ code: Code, _ message: String) {
        self.flag = flag
        self.code = code
        self.message = message
    }

    /// The flag, the code and the message in one line.
    public var description: String { "flag \"\(flag)\": \(code): \(message)" }
}
