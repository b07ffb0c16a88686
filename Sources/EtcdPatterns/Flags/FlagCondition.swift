// SPDX-License-Identifier: Apache-2.0

extension FeatureFlag {
    /// What a rule asks of a context.
    ///
    /// It holds if the attribute stands in the relation to one of the values. A context without the attribute, or with
    /// one of a type that cannot be compared, does not fulfil it, also not if it is negated.
    public struct Condition: Sendable, Hashable {
        /// The name of the attribute; `targetingKey` for the targeting key.
        public var attribute: String
        /// The relation, as it is written in JSON: `in`, `contains`, `startsWith`, `endsWith`, `exists`; for numbers `<`,
        /// `<=`, `>`, `>=`; for versions the same and `=`, with `semver` in front.
        ///
        /// A rule with another one does not match, and the evaluation says so.
        public var relation: String
        /// The values, one of which is enough.
        public var values: [FlagValue]
        /// Whether the relation must not hold.
        public var isNegated = false

        /// Makes a condition.
        ///
        /// - Parameters:
        ///   - attribute: The name of the attribute.
        ///   - relation: The relation, as it is written in JSON.
        ///   - values: The values, one of which is enough.
        public init(attribute: String, relation: String, values: [FlagValue]) {
            self.attribute = attribute
            self.relation = relation
            self.values = values
        }

        private init(_ attribute: String, _ relation: FlagRelation, _ values: [FlagValue]) {
            self.init(attribute: attribute, relation: relation.rawValue, values: values)
        }
    }
}

extension FeatureFlag.Condition {
    /// The opposite, for contexts that have the attribute.
    ///
    /// - Parameter condition: A condition.
    /// - Returns: The condition that does not hold where it does.
    public static func not(_ condition: Self) -> Self {
        var opposite = condition
        opposite.isNegated.toggle()
        return opposite
    }

    /// The targeting key is one of `keys`.
    ///
    /// - Parameter keys: The targeting keys, such as the users who may, or may not.
    /// - Returns: The condition.
    public static func targetingKey(in keys: [String]) -> Self {
        Self(FlagContext.targetingKeyName, .isIn, keys.map { .string($0) })
    }

    /// The attribute is there, whatever it is.
    ///
    /// - Parameter name: The attribute.
    /// - Returns: The condition; its opposite holds where the attribute is missing.
    public static func exists(_ name: String) -> Self { Self(name, .exists, []) }

    /// The attribute equals a value.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - value: The value.
    /// - Returns: The condition.
    public static func attribute(_ name: String, equals value: FlagValue) -> Self { Self(name, .isIn, [value]) }

    /// The attribute equals one of several values.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - values: The values.
    /// - Returns: The condition.
    public static func attribute(_ name: String, in values: [FlagValue]) -> Self { Self(name, .isIn, values) }

    /// The attribute is a text with `part` in it, or an array with the element `part`.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - part: What must be there.
    /// - Returns: The condition.
    public static func attribute(_ name: String, contains part: FlagValue) -> Self { Self(name, .contains, [part]) }

    /// The attribute is a text that begins with `prefix`.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - prefix: The beginning.
    /// - Returns: The condition.
    public static func attribute(_ name: String, startsWith prefix: String) -> Self {
        Self(name, .startsWith, [.string(prefix)])
    }

    /// The attribute is a text that ends with `suffix`.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - suffix: The end.
    /// - Returns: The condition.
    public static func attribute(_ name: String, endsWith suffix: String) -> Self {
        Self(name, .endsWith, [.string(suffix)])
    }

    /// The attribute is a number below `number`.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - number: The number.
    /// - Returns: The condition.
    public static func attribute(_ name: String, below number: Double) -> Self { Self(name, .below, [.double(number)]) }

    /// The attribute is a number of at least `number`.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - number: The number.
    /// - Returns: The condition.
    public static func attribute(_ name: String, atLeast number: Double) -> Self {
        Self(name, .atLeast, [.double(number)])
    }

    /// The attribute is a version before `version`, as semver.org orders them.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - version: The version, such as `2.10.0`.
    /// - Returns: The condition.
    public static func version(_ name: String, below version: String) -> Self {
        Self(name, .versionBelow, [.string(version)])
    }

    /// The attribute is `version` or a later one, as semver.org orders them.
    ///
    /// - Parameters:
    ///   - name: The attribute.
    ///   - version: The version, such as `2.10.0`.
    /// - Returns: The condition.
    public static func version(_ name: String, atLeast version: String) -> Self {
        Self(name, .versionAtLeast, [.string(version)])
    }
}

/// The relations that this version knows.
enum FlagRelation: String, CaseIterable {
    case isIn = "in"
    case contains, startsWith, endsWith, exists
    case below = "<"
    case atMost = "<="
    case above = ">"
    case atLeast = ">="
    case versionIs = "semver="
    case versionBelow = "semver<"
    case versionAtMost = "semver<="
    case versionAbove = "semver>"
    case versionAtLeast = "semver>="
}
