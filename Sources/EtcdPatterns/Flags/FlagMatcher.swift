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

    private enum Comparison: String {
        case equal = "="
        case less = "<"
        case lessOrEqual = "<="
        case greater = ">"
        case greaterOrEqual = ">="

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
        let (relation, values) = (condition.relation, condition.values)
        func operands<Operand>(_ kind: String, _ read: (FlagValue) -> Operand?) throws(Mistake) -> [Operand] {
            if values.isEmpty { throw Mistake(message: "\"\(relation)\" without values") }
            return try values.map { value throws(Mistake) in
                if let operand = read(value) { return operand }
                throw Mistake(message: "\"\(relation)\" needs \(kind), not \(value)")
            }
        }
        func texts() throws(Mistake) -> [String] { try operands("a text") { String(flagValue: $0) } }
        func comparison(_ text: some StringProtocol) throws(Mistake) -> Comparison {
            if let comparison = Comparison(rawValue: String(text)) { return comparison }
            throw Mistake(message: "unknown operator \"\(relation)\"")
        }
        switch relation {
        case "exists": test = .exists
        case "in": test = .isIn(Set(try operands("a value") { $0.normalized }))
        case "contains": test = .contains(try operands("a value") { $0.normalized })
        case "startsWith": test = .startsWith(try texts())
        case "endsWith": test = .endsWith(try texts())
        case "<", "<=", ">", ">=":
            test = .number(try comparison(relation), try operands("a number") { $0.number })
        default:
            // Versions may also be compared by "semver=", numbers not by "=".
            let version = try comparison(relation.hasPrefix("semver") ? relation.dropFirst("semver".count) : "")
            let versions = try operands("a version") { String(flagValue: $0).flatMap { SemanticVersion($0) } }
            test = .version(version, versions)
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

/// A version as semver.org orders them; minor and patch may be missing, and are 0 then.
struct SemanticVersion: Sendable, Hashable, Comparable {
    private enum Identifier: Sendable, Hashable {
        case number(UInt64)
        case text(String)
    }

    private let numbers: [UInt64]
    private let prerelease: [Identifier]

    /// Reads a version such as `2.10.0-rc.1+build`; nil if it is none.
    init?(_ text: String) {
        let core = text.prefix { $0 != "+" }
        let parts = core.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        var numbers: [UInt64] = []
        for part in parts.first?.split(separator: ".", omittingEmptySubsequences: false) ?? [] {
            guard Self.isNumeric(part), let number = UInt64(part) else { return nil }
            numbers.append(number)
        }
        if numbers.isEmpty || numbers.count > 3 { return nil }
        self.numbers = numbers + Array(repeating: 0, count: 3 - numbers.count)
        var prerelease: [Identifier] = []
        for part in parts.dropFirst().flatMap({ $0.split(separator: ".", omittingEmptySubsequences: false) }) {
            if part.isEmpty { return nil }
            if !Self.isNumeric(part) {
                prerelease.append(.text(String(part)))
            } else if let number = UInt64(part) {
                prerelease.append(.number(number))
            } else {
                return nil
            }
        }
        self.prerelease = prerelease
    }

    private static func isNumeric(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    static func < (left: Self, right: Self) -> Bool {
        if left.numbers != right.numbers { return left.numbers.lexicographicallyPrecedes(right.numbers) }
        // A release comes after what was released before it.
        if left.prerelease.isEmpty || right.prerelease.isEmpty {
            return !left.prerelease.isEmpty && right.prerelease.isEmpty
        }
        return left.prerelease.lexicographicallyPrecedes(right.prerelease) { left, right in
            switch (left, right) {
            case (.number(let left), .number(let right)): left < right
            case (.text(let left), .text(let right)): left.utf8.lexicographicallyPrecedes(right.utf8)
            case (.number, .text): true
            case (.text, .number): false
            }
        }
    }
}
