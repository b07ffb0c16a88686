// SPDX-License-Identifier: Apache-2.0

/// A condition that is ready to be evaluated.
struct FlagMatcher: Sendable {
    private enum Test: Sendable {
        case exists
        case isIn(Set<FlagValue>)
        case contains([FlagValue])
        case startsWith([String])
        case endsWith([String])
        case number(Comparison, [Double])
        case version(Comparison, [SemanticVersion])
    }

    private enum Comparison: Sendable {
        case equal, less, lessOrEqual, greater, greaterOrEqual

        func holds<Operand: Comparable>(_ left: Operand, _ right: Operand) -> Bool {
            switch self {
            case .equal: left == right
            case .less: left < right
            case .lessOrEqual: left <= right
            case .greater: left > right
            case .greaterOrEqual: left >= right
            }
        }
    }

    /// A mistake in a condition.
    struct Mistake: Error {
        let message: String
    }

    let condition: FeatureFlag.Condition
    private let test: Test

    init(_ condition: FeatureFlag.Condition) throws(Mistake) {
        self.condition = condition
        guard let relation = FlagRelation(rawValue: condition.relation) else {
            throw Mistake(message: "unknown operator \"\(condition.relation)\"")
        }
        let values = condition.values
        if values.isEmpty, relation != .exists { throw Mistake(message: "\"\(relation.rawValue)\" without values") }
        func operands<Operand>(_ kind: String, _ read: (FlagValue) -> Operand?) throws(Mistake) -> [Operand] {
            var operands: [Operand] = []
            for value in values {
                guard let operand = read(value) else {
                    throw Mistake(message: "\"\(relation.rawValue)\" needs \(kind), not \(value)")
                }
                operands.append(operand)
            }
            return operands
        }
        func texts() throws(Mistake) -> [String] { try operands("a text") { String(flagValue: $0) } }
        func numbers() throws(Mistake) -> [Double] { try operands("a number") { $0.number } }
        func versions() throws(Mistake) -> [SemanticVersion] {
            try operands("a version") { value in String(flagValue: value).flatMap { SemanticVersion($0) } }
        }
        test =
            switch relation {
            case .exists: .exists
            case .isIn: .isIn(Set(values.map(\.normalized)))
            case .contains: .contains(values.map(\.normalized))
            case .startsWith: .startsWith(try texts())
            case .endsWith: .endsWith(try texts())
            case .below: .number(.less, try numbers())
            case .atMost: .number(.lessOrEqual, try numbers())
            case .above: .number(.greater, try numbers())
            case .atLeast: .number(.greaterOrEqual, try numbers())
            case .versionIs: .version(.equal, try versions())
            case .versionBelow: .version(.less, try versions())
            case .versionAtMost: .version(.lessOrEqual, try versions())
            case .versionAbove: .version(.greater, try versions())
            case .versionAtLeast: .version(.greaterOrEqual, try versions())
            }
    }

    func matches(_ context: FlagContext) -> Bool {
        let attribute = context[condition.attribute]
        if case .exists = test { return (attribute != nil) != condition.isNegated }
        guard let attribute, let holds = holds(attribute) else { return false }
        return holds != condition.isNegated
    }

    /// Whether the test holds; nil if the attribute is not of a type for it.
    private func holds(_ attribute: FlagValue) -> Bool? {
        switch (test, attribute) {
        case (.exists, _): true
        case (.isIn(let values), _): values.contains(attribute.normalized)
        case (.contains(let parts), .array(let elements)):
            elements.contains { parts.contains($0.normalized) }
        case (.contains(let parts), .string(let text)):
            parts.contains { part in String(flagValue: part).map { text.contains($0) } ?? false }
        case (.startsWith(let prefixes), .string(let text)): prefixes.contains { text.hasPrefix($0) }
        case (.endsWith(let suffixes), .string(let text)): suffixes.contains { text.hasSuffix($0) }
        case (.number(let comparison, let numbers), _):
            attribute.number.map { attribute in numbers.contains { comparison.holds(attribute, $0) } }
        case (.version(let comparison, let versions), .string(let text)):
            SemanticVersion(text).map { attribute in versions.contains { comparison.holds(attribute, $0) } }
        default: nil
        }
    }
}
