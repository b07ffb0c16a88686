// SPDX-License-Identifier: Apache-2.0

/// Evaluations of flags: of a ``FlagView``, or of the current view of ``FeatureFlags``.
public protocol FlagReading: Sendable {
    /// The flags to evaluate, all of one revision.
    var view: FlagView { get }

    /// Whether the flags may be out of date.
    var isStale: Bool { get }
}

extension FlagReading {
    /// Whether a flag is on.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - context: The user, or other subject, with its attributes.
    /// - Returns: Whether it is on; false also if there is no such flag, or its type is not Boolean.
    public func isEnabled(_ name: String, for context: FlagContext = FlagContext()) -> Bool {
        value(name, default: false, for: context)
    }

    /// The value of a flag.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: The value if there is no such flag, or one of another type.
    ///   - context: The user, or other subject, with its attributes.
    /// - Returns: The value, which is of the type of `fallback`.
    public func value<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> Value {
        view.evaluation(name, fallback, context).value
    }

    /// The value of a flag, with the reason.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: The value if there is no such flag, or one of another type.
    ///   - context: The user, or other subject, with its attributes.
    /// - Returns: The value, the variant, the reason, and an error if there is one. If flags may be out of date, the reason
    ///   is ``FlagReason/stale``, unless it is ``FlagReason/error``.
    public func evaluate<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> FlagEvaluation<Value> {
        let evaluation = view.evaluation(name, fallback, context)
        if !isStale || evaluation.reason == .error { return evaluation }
        return FlagEvaluation(value: evaluation.value, variant: evaluation.variant, reason: .stale, error: nil)
    }

    /// The steps of an evaluation: the rules that were tried, and the result.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - context: The user, or other subject, with its attributes.
    /// - Returns: A line for each step, for people.
    public func explain(_ name: String, for context: FlagContext = FlagContext()) -> [String] {
        var trace: [String]? = []
        let outcome = view.outcome(name, for: context, trace: &trace)
        let result = outcome.variant.map { "variant \($0.name)" } ?? "the caller's default"
        return (trace ?? []) + ["\(name): \(result), \(outcome.error.map { "\($0)" } ?? "\(outcome.reason)")"]
    }

    /// The definitions of all flags that have a usable one, by name.
    ///
    /// It reads all definitions that were not evaluated before, so the time for it grows with their number.
    public var allFlags: [String: FeatureFlag] {
        Dictionary(view.all.compactMap { flag in flag.definition.flag.map { (flag.name, $0.definition) } }) { $1 }
    }

    /// The errors in definitions, in the order of the names of the flags.
    ///
    /// It reads all definitions that were not evaluated before, so the time for it grows with their number.
    public var errors: [FlagError] { view.all.compactMap(\.error).sorted { $0.flag < $1.flag } }
}

/// The user, or other subject, that a flag is evaluated for.
///
/// ```swift
/// let context = FlagContext("user-7", attributes: ["plan": "pro", "age": 41])
/// ```
public struct FlagContext: Sendable, Hashable {
    /// Identifies the subject, for percentages; nil if there is no particular one.
    public var targetingKey: String?
    /// The attributes of the subject.
    ///
    /// The attribute `targetingKey` is always ``targetingKey``.
    public var attributes: [String: FlagValue]

    /// Makes a context; the parameters are its properties.
    public init(_ targetingKey: String? = nil, attributes: [String: FlagValue] = [:]) {
        self.targetingKey = targetingKey
        self.attributes = attributes
    }

    static let targetingKeyName = "targetingKey"

    subscript(attribute: String) -> FlagValue? {
        attribute == Self.targetingKeyName ? targetingKey.map { .string($0) } : attributes[attribute]
    }
}
