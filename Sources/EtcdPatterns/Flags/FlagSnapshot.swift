// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Flags as they were at one revision: a value that never changes, to evaluate several flags by.
///
/// One that is made of definitions is for tests, and for what holds while etcd cannot be reached at the start.
///
/// ```swift
/// let flags = FlagSnapshot(["new-ui": FeatureFlag(serve: .percentage(10))])
/// print(flags.isEnabled("new-ui", for: FlagContext("user-7")))
/// ```
public struct FlagSnapshot: Sendable {
    private enum Flags: Sendable {
        case made([String: (definition: FlagDefinition, prerequisiteError: FlagError?)])
        case stored(StoredFlags)
    }

    /// The revision of the store; 0 for a snapshot that was made of definitions, or before etcd was reached.
    public let revision: Revision
    private let flags: Flags

    /// Makes a snapshot of definitions.
    ///
    /// - Parameter flags: The flags by their names.
    public init(_ flags: [String: FeatureFlag]) {
        revision = 0
        let definitions = flags.reduce(into: [:]) { $0[$1.key] = FlagDefinition($1.value, name: $1.key) }
        let made = definitions.map { name, definition in
            (name, (definition, PrerequisiteCheck.error(of: name) { definitions[$0]?.prerequisites }))
        }
        self.flags = .made(Dictionary(made) { $1 })
    }

    init(_ flags: StoredFlags) {
        revision = flags.entries.revision
        self.flags = .stored(flags)
    }

    // MARK: What there is

    /// All flags, each with what is wrong with it.
    private var all: [(name: String, definition: FlagDefinition, error: FlagError?)] {
        switch flags {
        case .made(let flags): flags.map { ($0, $1.definition, $1.prerequisiteError ?? $1.definition.error) }
        case .stored(let flags): flags.all
        }
    }

    /// The definitions of all flags that have a usable one, by name.
    ///
    /// All definitions are read for it that were not evaluated before, so the time for it grows with their number.
    public var allFlags: [String: FeatureFlag] {
        Dictionary(all.compactMap { flag in flag.definition.flag.map { (flag.name, $0.definition) } }) { $1 }
    }

    /// What is wrong with definitions, in the order of the names of the flags.
    ///
    /// All definitions are read for it that were not evaluated before, so the time for it grows with their number.
    public var errors: [FlagError] { all.compactMap(\.error).sorted { $0.flag < $1.flag } }

    // MARK: Evaluation

    /// Whether a flag is on.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - context: Whom it is for.
    /// - Returns: False also if there is no such flag, or it is not one that is on or off.
    public func isEnabled(_ name: String, for context: FlagContext = FlagContext()) -> Bool {
        value(name, default: false, for: context)
    }

    /// The value of a flag.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: What it is if there is no such flag, or one of another type.
    ///   - context: Whom it is for.
    /// - Returns: The value, which is of the type of `fallback`.
    public func value<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> Value {
        evaluate(name, default: fallback, for: context).value
    }

    /// The value of a flag, and why it is this one.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - fallback: What it is if there is no such flag, or one of another type.
    ///   - context: Whom it is for.
    /// - Returns: The value, the variant, the reason, and what is wrong, if something is.
    public func evaluate<Value: FlagConvertible>(
        _ name: String,
        default fallback: Value,
        for context: FlagContext = FlagContext()
    ) -> FlagEvaluation<Value> {
        var trace: [String]?
        let outcome = outcome(name, for: context, trace: &trace)
        guard let variant = outcome.variant else {
            return FlagEvaluation(value: fallback, variant: nil, reason: outcome.reason, error: outcome.error)
        }
        guard let value = Value(flagValue: variant.value) else {
            let error = FlagError(name, .typeMismatch, "the variant \"\(variant.name)\" is no \(Value.self)")
            return FlagEvaluation(value: fallback, variant: nil, reason: .error, error: error)
        }
        return FlagEvaluation(value: value, variant: variant.name, reason: outcome.reason, error: outcome.error)
    }

    /// How a flag comes to its value: which rules were looked at, and what came out.
    ///
    /// - Parameters:
    ///   - name: The name of the flag.
    ///   - context: Whom it is for.
    /// - Returns: A line for each step, for people.
    public func explain(_ name: String, for context: FlagContext = FlagContext()) -> [String] {
        var trace: [String]? = []
        let outcome = outcome(name, for: context, trace: &trace)
        let result = outcome.variant.map { "variant \($0.name)" } ?? "the caller's default"
        return (trace ?? []) + ["\(name): \(result), \(outcome.error.map { "\($0)" } ?? "\(outcome.reason)")"]
    }

    /// Evaluates a flag, and those that it requires.
    ///
    /// This ends, because there is a flag with an error in each circle of prerequisites.
    private func outcome(
        _ name: String,
        for context: FlagContext,
        trace: inout [String]?
    ) -> CompiledFlag.Outcome {
        switch definition(of: name) {
        case nil:
            let error =
                isKnown
                ? FlagError(name, .flagNotFound, "there is no such flag")
                : FlagError(name, .notReady, "flags are not known yet, since etcd was not reached")
            return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .faulty(let error): return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .flag(let flag):
            if !flag.prerequisites.isEmpty, let error = prerequisiteError(of: name) { return flag.unusable(error) }
            return flag.evaluate(for: context, trace: &trace) { other, trace in
                outcome(other, for: context, trace: &trace)
            }
        }
    }

    /// It is known which flags there are.
    private var isKnown: Bool {
        if case .stored(let flags) = flags { flags.isListed } else { true }
    }

    private func definition(of name: String) -> FlagDefinition? {
        switch flags {
        case .made(let flags): flags[name]?.definition
        case .stored(let flags): flags.definition(of: name)
        }
    }

    private func prerequisiteError(of name: String) -> FlagError? {
        switch flags {
        case .made(let flags): flags[name]?.prerequisiteError
        case .stored(let flags): flags.prerequisiteError(of: name)
        }
    }
}
