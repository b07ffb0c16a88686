// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A definition that is ready to be evaluated.
final class CompiledFlag: Sendable {
    struct Variant: Sendable {
        let name: String
        let value: FlagValue
    }

    /// The outcome for a context; without a variant, the value is the caller's default.
    struct Outcome: Sendable {
        var variant: Variant?
        var reason: FlagReason
        var error: FlagError?
    }

    private enum Serving: Sendable {
        case variant(Variant)
        case split(Rollout, [Variant], attribute: String)
    }

    private struct Rule: Sendable {
        let matchers: [FlagMatcher]
        let serving: Serving
        /// The reason why the rule never matches; nil if there is none.
        let mistake: FlagError?
    }

    let name: String
    let definition: FeatureFlag
    /// In the order of their names, so that the same one fails each time.
    let prerequisites: [(flag: String, variant: String)]
    private let group: String
    private let off: Variant?
    private let rules: [Rule]
    private let serving: Serving

    /// Compiles a definition; a rule with a mistake does not match.
    ///
    /// - Throws: `invalidDefinition` if a variant is missing or a split is wrong.
    init(_ definition: FeatureFlag, name: String) throws(FlagError) {
        self.name = name
        self.definition = definition
        prerequisites = definition.prerequisites.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        group = definition.rolloutGroup ?? name
        func variant(_ variant: String) throws(FlagError) -> Variant {
            if let value = definition.variants[variant] { return Variant(name: variant, value: value) }
            throw FlagError(name, .invalidDefinition, "there is no variant \"\(variant)\"")
        }
        func compiled(_ serving: FeatureFlag.Serving) throws(FlagError) -> Serving {
            switch serving {
            case .variant(let name): return .variant(try variant(name))
            case .split(let split):
                if let mistake = split.mistake { throw FlagError(name, .invalidDefinition, mistake) }
                let variants = try split.parts.map { part throws(FlagError) in try variant(part.variant) }
                guard let rollout = Rollout(split.parts.map(\.weight)) else {
                    let weights = split.parts.map { String($0.weight) }.joined(separator: ", ")
                    let rule = "none may be negative, and their sum is from 1 to \(Int32.max)"
                    throw FlagError(name, .invalidDefinition, "the weights \(weights) make no split: \(rule)")
                }
                return .split(rollout, variants, attribute: split.attribute ?? FlagContext.targetingKeyName)
            }
        }
        off = try definition.offVariant.map(variant)
        serving = try compiled(definition.serving)
        var rules: [Rule] = []
        for (index, rule) in definition.rules.enumerated() {
            let serving = try compiled(rule.serving)
            do throws(FlagMatcher.Mistake) {
                let matchers = try rule.conditions.map { condition throws(FlagMatcher.Mistake) in
                    try FlagMatcher(condition)
                }
                rules.append(Rule(matchers: matchers, serving: serving, mistake: nil))
            } catch {
                let mistake = FlagError(name, .invalidDefinition, "rule \(index + 1): \(error.message)")
                rules.append(Rule(matchers: [], serving: serving, mistake: mistake))
            }
        }
        self.rules = rules
    }

    /// The first mistake in the rules; nil if there is none.
    var mistake: FlagError? { rules.lazy.compactMap(\.mistake).first }

    // MARK: Evaluation

    /// Evaluates the flag; `trace` gets a line for each step, unless it is nil, and `prerequisite` evaluates another flag.
    func evaluate(
        for context: FlagContext,
        trace: inout [String]?,
        prerequisite: (String, inout [String]?) -> Outcome
    ) -> Outcome {
        if !definition.isEnabled {
            trace?.append("\(name) is switched off")
            return Outcome(variant: off, reason: .disabled)
        }
        for (other, wanted) in prerequisites {
            let outcome = prerequisite(other, &trace)
            if outcome.variant?.name == wanted { continue }
            trace?.append("\(name) requires \(other) to be \(wanted)")
            if let error = outcome.error {
                return unusable(FlagError(name, .prerequisite, "it requires \(other), but \(error)"))
            }
            return Outcome(variant: off, reason: .disabled)
        }
        return serve(for: context, trace: &trace)
    }

    /// The outcome if the flag cannot be evaluated.
    func unusable(_ error: FlagError) -> Outcome { Outcome(variant: off, reason: .error, error: error) }

    private func serve(for context: FlagContext, trace: inout [String]?) -> Outcome {
        var error: FlagError?
        for (index, rule) in rules.enumerated() {
            if let mistake = rule.mistake {
                trace?.append("\(name): \(mistake.message)")
                error = error ?? mistake
            } else if let failed = rule.matchers.first(where: { !$0.matches(context) }) {
                trace?.append("\(name), rule \(index + 1): \(failed.condition.attribute) does not match")
            } else {
                trace?.append("\(name), rule \(index + 1): matches")
                var outcome = serve(rule.serving, for: context, reason: .targetingMatch, trace: &trace)
                if outcome.variant == nil {
                    error = error ?? outcome.error
                    continue
                }
                if let error { (outcome.reason, outcome.error) = (.error, error) }
                return outcome
            }
        }
        var outcome = serve(serving, for: context, reason: rules.isEmpty ? .static : .default, trace: &trace)
        if outcome.variant == nil { outcome.variant = off }
        if let error { (outcome.reason, outcome.error) = (.error, error) }
        return outcome
    }

    private func serve(
        _ serving: Serving,
        for context: FlagContext,
        reason: FlagReason,
        trace: inout [String]?
    ) -> Outcome {
        switch serving {
        case .variant(let variant):
            trace?.append("\(name) is \(variant.name)")
            return Outcome(variant: variant, reason: reason)
        case .split(let rollout, let variants, let attribute):
            let subject: String
            switch context[attribute] {
            case .string(let text): subject = text
            case .int(let number): subject = String(number)
            default:
                trace?.append("\(name): the context has no \(attribute) to split by")
                let error = FlagError(name, .targetingKeyMissing, "the context has no \"\(attribute)\" to split by")
                return Outcome(variant: nil, reason: .error, error: error)
            }
            let part = rollout.part(of: subject, in: group)
            trace?.append("\(name): \(attribute) \(subject) is in part \(part + 1) of the split")
            return Outcome(variant: variants.indices.contains(part) ? variants[part] : nil, reason: .split)
        }
    }
}

/// A stored definition: one that can be evaluated, or the error in it.
typealias FlagDefinition = Result<CompiledFlag, FlagError>

extension FlagDefinition {
    init(_ definition: FeatureFlag, name: String) {
        self.init { () throws(FlagError) in try CompiledFlag(definition, name: name) }
    }

    /// Reads a stored definition.
    init(_ value: Value, name: String) {
        self.init { () throws(FlagError) in try CompiledFlag(FeatureFlag(value, of: name), name: name) }
    }

    /// The flag, if it can be evaluated.
    var flag: CompiledFlag? { try? get() }

    /// The names of the flags that it requires.
    var prerequisites: [String] { flag?.prerequisites.map(\.flag) ?? [] }

    /// The error of the definition by itself; nil if there is none.
    var error: FlagError? {
        switch self {
        case .success(let flag): flag.mistake
        case .failure(let error): error
        }
    }
}

/// Finds the part of a split for a subject.
///
/// The place of a subject is a 32-bit hash of the split's group and the subject, taken as a fraction. It does not depend
/// on the weights, so a part that grows at the expense of those after it keeps its subjects.
struct Rollout: Sendable {
    /// The end of each part, in the sum of all weights.
    private let ends: [UInt64]

    /// A split by weights, none of them negative, whose sum is from 1 to 2^31 - 1.
    init?(_ weights: [Int]) {
        var sum = 0
        var ends: [UInt64] = []
        for weight in weights {
            guard weight >= 0, weight <= Int(Int32.max) - sum else { return nil }
            sum += weight
            ends.append(UInt64(sum))
        }
        if sum == 0 { return nil }
        self.ends = ends
    }

    /// The number of the part that `subject` is in.
    func part(of subject: String, in group: String) -> Int {
        var hash = MurmurHash3()
        hash.combine(group)
        hash.combine(UInt8(ascii: ":"))
        hash.combine(subject)
        let bucket = (UInt64(hash.value) * (ends.last ?? 0)) >> 32
        return ends.firstIndex { bucket < $0 } ?? 0
    }
}
