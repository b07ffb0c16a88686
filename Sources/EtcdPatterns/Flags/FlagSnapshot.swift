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
    private enum Content: Sendable {
        case flag(CompiledFlag)
        case faulty(FlagError)
    }

    private struct Entry: Sendable {
        /// What the content was made of.
        var source: KeyValue?
        let content: Content
    }

    /// The revision of the store; 0 for a snapshot that was made of definitions.
    public let revision: Revision
    private var entries: [String: Entry]
    /// What is wrong with the prerequisites of flags.
    private var prerequisiteErrors: [String: FlagError] = [:]

    /// Makes a snapshot of definitions.
    ///
    /// - Parameter flags: The flags by their names.
    public init(_ flags: [String: FeatureFlag]) {
        revision = 0
        entries = [:]
        for (name, flag) in flags { entries[name] = Entry(source: nil, content: Self.content(flag, name)) }
        checkPrerequisites()
    }

    /// Makes a snapshot of stored definitions, of which those are not read again that `old` has.
    init(_ mirror: MirrorSnapshot, under prefix: Key, reusing old: FlagSnapshot?) {
        revision = mirror.revision
        entries = Dictionary(minimumCapacity: mirror.count)
        for source in mirror {
            let name = source.key.flagName(under: prefix)
            if let entry = old?.entries[name], entry.source == source {
                entries[name] = entry
                continue
            }
            let content: Content
            do throws(FlagError) {
                content = Self.content(try FeatureFlag(source.value, of: name), name)
            } catch {
                content = .faulty(error)
            }
            entries[name] = Entry(source: source, content: content)
        }
        checkPrerequisites()
    }

    private static func content(_ flag: FeatureFlag, _ name: String) -> Content {
        do throws(FlagError) {
            return .flag(try CompiledFlag(flag, name: name))
        } catch {
            return .faulty(error)
        }
    }

    // MARK: What there is

    /// The definitions of all flags that have a usable one, by name.
    public var allFlags: [String: FeatureFlag] {
        entries.compactMapValues { entry in
            if case .flag(let flag) = entry.content { flag.definition } else { nil }
        }
    }

    /// What is wrong with definitions, in the order of the names of the flags.
    public var errors: [FlagError] {
        let errors = entries.compactMap { name, entry in
            switch entry.content {
            case .flag(let flag): prerequisiteErrors[name] ?? flag.mistake
            case .faulty(let error): error
            }
        }
        return errors.sorted { $0.flag < $1.flag }
    }

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
        switch entries[name]?.content {
        case nil:
            let error = FlagError(name, .flagNotFound, "there is no such flag")
            return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .faulty(let error): return CompiledFlag.Outcome(variant: nil, reason: .error, error: error)
        case .flag(let flag):
            if !flag.prerequisites.isEmpty, let error = prerequisiteErrors[name] { return flag.unusable(error) }
            return flag.evaluate(for: context, trace: &trace) { other, trace in
                outcome(other, for: context, trace: &trace)
            }
        }
    }

    // MARK: Prerequisites

    private mutating func checkPrerequisites() {
        let required = entries.mapValues { entry -> [String] in
            if case .flag(let flag) = entry.content { flag.prerequisites.map(\.flag) } else { [] }
        }
        var check = PrerequisiteCheck(flags: required)
        prerequisiteErrors = check.errors()
    }

    /// What would be wrong with a flag if it were added.
    func error(of flag: CompiledFlag) -> FlagError? {
        var copy = self
        copy.entries[flag.name] = Entry(source: nil, content: .flag(flag))
        copy.checkPrerequisites()
        return flag.mistake ?? copy.prerequisiteErrors[flag.name]
    }
}
