// SPDX-License-Identifier: Apache-2.0

public import EtcdPatterns

/// The value of a flag, with the reason for it: the details of an evaluation in OpenFeature.
public struct EvaluationDetails<Value: Sendable>: Sendable {
    /// The name of the flag.
    public let flagKey: String
    /// The value: that of the variant, or the caller's default.
    public let value: Value
    /// The name of the variant; nil where the value is the caller's default.
    public let variant: String?
    /// The reason as OpenFeature writes it, such as `TARGETING_MATCH`.
    public let reason: String
    /// The code of the error as OpenFeature writes it, such as `FLAG_NOT_FOUND`; nil if there is no error.
    public let errorCode: String?
    /// A message that describes the error; nil if there is none.
    public let errorMessage: String?

    init(_ flagKey: String, _ evaluation: FlagEvaluation<Value>) {
        self.flagKey = flagKey
        value = evaluation.value
        variant = evaluation.variant
        reason = evaluation.reason.description
        errorCode = evaluation.error?.code.description
        errorMessage = evaluation.error?.message
    }
}

extension EvaluationDetails: Equatable where Value: Equatable {}

/// Whether a provider can evaluate flags.
public struct ProviderStatus: Sendable, Hashable, CustomStringConvertible {
    /// The status as OpenFeature writes it, such as `NOT_READY`.
    public let description: String

    /// etcd has not been reached yet, so all flags have the callers' defaults.
    public static let notReady = Self(description: "NOT_READY")
    /// The definitions are known and up to date.
    public static let ready = Self(description: "READY")
    /// etcd has been out of reach for a while: flags keep their last definitions.
    public static let stale = Self(description: "STALE")
}

/// Something that happened to a provider.
public enum ProviderEvent: Sendable, Hashable {
    /// The status has changed, or is reported for the first time.
    case statusChanged(ProviderStatus)
    /// The definitions of these flags are new, have changed or are gone.
    case configurationChanged(flags: [String])
}

/// Runs before and after each evaluation of an ``OpenFeatureClient``, such as for traces and audits.
///
/// Each function has a default that does nothing.
public protocol EvaluationHook: Sendable {
    /// Runs before the evaluation.
    ///
    /// - Parameters:
    ///   - flag: The name of the flag.
    ///   - context: The context so far.
    /// - Returns: Additional context, which takes precedence over the one so far.
    func before(_ flag: String, context: FlagContext) -> FlagContext

    /// Runs after an evaluation with an error, before ``finally(_:context:)``.
    ///
    /// - Parameters:
    ///   - error: The error.
    ///   - details: The details of the evaluation.
    ///   - context: The context of the evaluation.
    func error<Value: Sendable>(_ error: FlagError, details: EvaluationDetails<Value>, context: FlagContext)

    /// Runs after each evaluation.
    ///
    /// - Parameters:
    ///   - details: The details of the evaluation.
    ///   - context: The context of the evaluation.
    func finally<Value: Sendable>(_ details: EvaluationDetails<Value>, context: FlagContext)
}

extension EvaluationHook {
    /// Adds nothing.
    public func before(_ flag: String, context: FlagContext) -> FlagContext { FlagContext() }

    /// Does nothing.
    public func error<Value: Sendable>(_ error: FlagError, details: EvaluationDetails<Value>, context: FlagContext) {}

    /// Does nothing.
    public func finally<Value: Sendable>(_ details: EvaluationDetails<Value>, context: FlagContext) {}
}
