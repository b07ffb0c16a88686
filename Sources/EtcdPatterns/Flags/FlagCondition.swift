// SPDX-License-Identifier: Apache-2.0

extension FeatureFlag {
    /// A condition of a rule on a context.
    ///
    /// It holds if the attribute has the relation to one of the values. If a context has no such attribute, or one of a type
    /// that cannot be compared, the condition does not hold, and neither does its negation.
    public struct Condition: Sendable, Hashable {
        /// The name of the attribute; `targetingKey` for the targeting key.
        public var attribute: String
        /// The relation, as it is written in JSON: `in`, `contains`, `startsWith`, `endsWith`, `exists`; for numbers `<`,
        /// `<=`, `>`, `>=`; for versions the same and `=`, with `semver` in front.
        ///
        /// A rule with another relation does not match, and the evaluation has an error.
        public var relation: String
        /// The values, one of which is enough.
        public var values: [FlagValue]
        /// Whether the relation must not hold.
        public var isNegated = false

        /// Makes a condition; the parameters are its properties.
        public init(attribute: String, relation: String, values: [FlagValue]) {
            self.attribute = attribute
            self.relation = relation
            self.values = values
        }

        private init(_ attribute: String, _ relation: String, _ values: [FlagValue]) {
            self.init(attribute: attribute, relation: relation, values: values)
        }
    }
}

extension FeatureFlag.Condition {
    /// The negation, for contexts that have the attribute.
    public static func not(_ condition: Self) -> Self {
        var opposite = condition
        opposite.isNegated.toggle()
        return opposite
    }

    /// The targeting key is one of `keys`.
    ///
    /// - Parameter keys: The targeting keys, such as the IDs of users.
    /// - Returns: The condition.
    public static func targetingKey(in keys: [String]) -> Self {
        Self(FlagContext.targetingKeyName, "in", keys.map { .string($0) })
    }

    /// The context has the attribute, with any value.
    ///
    /// - Parameter name: The attribute.
    /// - Returns: The condition; its negation holds for contexts without the attribute.
    public static func exists(_ name: String) -> Self { Self(name, "exists", []) }

    /// The attribute equals a value.
    public static func attribute(_ name: String, equals value: FlagValue) -> Self { Self(name, "in", [value]) }

    /// The attribute equals one of several values.
    public static func attribute(_ name: String, in values: [FlagValue]) -> Self { Self(name, "in", values) }

    /// The attribute is a text with `part` in it, or an array with the element `part`.
    public static func attribute(_ name: String, contains part: FlagValue) -> Self { Self(name, "contains", [part]) }

    /// The attribute is a text that begins with `prefix`.
    public static func attribute(_ name: String, startsWith prefix: String) -> Self {
        Self(name, "startsWith", [.string(prefix)])
    }

    /// The attribute is a text that ends with `suffix`.
    public static func attribute(_ name: String, endsWith suffix: String) -> Self {
        Self(name, "endsWith", [.string(suffix)])
    }

    /// The attribute is a number below `number`.
    public static func attribute(_ name: String, below number: Double) -> Self { Self(name, "<", [.double(number)]) }

    /// The attribute is a number of at least `number`.
    public static func attribute(_ name: String, atLeast number: Double) -> Self {
        Self(name, ">=", [.double(number)])
    }

    /// The attribute is a version before `version`, as semver.org orders them.
    public static func version(_ name: String, below version: String) -> Self {
        Self(name, "semver<", [.string(version)])
    }

    /// The attribute is `version` or a later one, as semver.org orders them.
    public static func version(_ name: String, atLeast version: String) -> Self {
        Self(name, "semver>=", [.string(version)])
    }
}
