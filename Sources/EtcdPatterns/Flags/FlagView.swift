// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Flags as they were at one revision: a value that never changes, for several evaluations that belong together.
///
/// A view can also be made of definitions, for tests, and for a start while etcd cannot be reached.
///
/// ```swift
/// let flags = FlagView(["new-ui": FeatureFlag(serve: .percentage(10))])
/// print(flags.isEnabled("new-ui", for: FlagContext("user-7")))
/// ```
public struct FlagView: FlagReading {
    private enum Flags: Sendable {
        case made([String: (definition: FlagDefinition, prerequisiteError: FlagError?)])
        case stored(StoredFlags)
    }

    /// The revision of the store; 0 for a view that was made of definitions, or before etcd was reached.
    public let revision: Revision
    private let flags: Flags

    /// Makes a view of definitions.
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

    /// The view itself.
    public var view: FlagView { self }

    /// Always false: a view never changes.
    public var isStale: Bool { false }

    // MARK: Definitions

    /// All flags, each with its error.
    var all: [(name: String, definition: FlagDefinition, error: FlagError?)] {
        switch flags {
        case .made(let flags): flags.map { ($0, $1.definition, $1.prerequisiteError ?? $1.definition.error) }
        case .stored(let flags): flags.all
        }
    }

    // MARK: Evaluation

    func evaluation<Value: FlagConvertible>(
        _ name: String,
        _ fallback: Value,
        _ context: FlagContext
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

    /// Evaluates a flag, and those that it requires.
    ///
    /// The recursion ends, because each flag in a circle of prerequisites has an error.
    func outcome(_ name: String, for context: FlagContext, trace: inout [String]?) -> CompiledFlag.Outcome {
        switch definition(of: name) {
        case nil:
            let error =
                isKnown
                ? FlagError(name, .flagNotFound, "there is no such flag")
                : FlagError(name, .notReady, "flags are not known yet, since etcd was not reached")
            return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .failure(let error): return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .success(let flag):
            if !flag.prerequisites.isEmpty, let error = prerequisiteError(of: name) { return flag.unusable(error) }
            return flag.evaluate(for: context, trace: &trace) { other, trace in
                outcome(other, for: context, trace: &trace)
            }
        }
    }

    /// Whether the flags were read from etcd.
    private var isKnown: Bool {
        if case .stored = flags { revision > 0 } else { true }
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
