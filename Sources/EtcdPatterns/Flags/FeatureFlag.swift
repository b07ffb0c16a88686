// SPDX-License-Identifier: Apache-2.0

/// The definition of a flag: its variants, and the rules by which users get them.
///
/// ```swift
/// var flag = FeatureFlag(serve: .percentage(10))
/// flag.rules = [.init(if: [.attribute("plan", in: ["pro", "team"])], serve: .variant("on"))]
/// ```
///
/// It is stored as JSON; a flag without rules is just `true` or `false`.
public struct FeatureFlag: Sendable, Hashable {
    /// The purpose of the flag, for people.
    public var description: String?
    /// Whether the flag is evaluated; if not, everybody gets ``offVariant`` (the kill switch).
    public var isEnabled: Bool
    /// The values of the flag, usually of one type, by their names.
    public var variants: [String: FlagValue]
    /// The name of the variant of a flag that is switched off; nil for the caller's default.
    public var offVariant: String?
    /// The names of the variants that other flags must have for the same context; otherwise, the flag is switched off for it.
    public var prerequisites: [String: String]
    /// The rules, of which the first that matches counts.
    public var rules: [Rule]
    /// The variant, or the split, for contexts that no rule matches.
    public var serving: Serving
    /// The group of flags that give their percentages to the same users.
    ///
    /// nil for no group, so that the users of this flag are independent of those of other flags. To choose other users, give
    /// the flag a new group.
    public var rolloutGroup: String?

    /// The variants of a flag that is on or off.
    static let switchVariants: [String: FlagValue] = ["on": true, "off": false]

    /// A flag that is on or off, with the variants `on` and `off`.
    ///
    /// - Parameters:
    ///   - isEnabled: Whether the flag is evaluated; if not, it is off for everybody.
    ///   - rules: The rules, of which the first that matches counts.
    ///   - serving: The variant, or the split, for all others; `on` by default.
    public init(isEnabled: Bool = true, rules: [Rule] = [], serve serving: Serving = .variant("on")) {
        self.init(isEnabled: isEnabled, variants: Self.switchVariants, rules: rules, serve: serving, off: "off")
    }

    /// A flag with variants of its own; the parameters are its properties.
    public init(
        isEnabled: Bool = true,
        variants: [String: FlagValue],
        rules: [Rule] = [],
        serve serving: Serving,
        off offVariant: String? = nil
    ) {
        self.isEnabled = isEnabled
        self.variants = variants
        self.rules = rules
        self.serving = serving
        self.offVariant = offVariant
        prerequisites = [:]
    }

    /// A rule: a variant, or a split, for contexts that meet all of its conditions.
    public struct Rule: Sendable, Hashable, Encodable {
        private enum CodingKeys: String, CodingKey {
            case conditions = "if"
            case serving = "serve"
        }

        /// The conditions; a rule without conditions matches everybody.
        public var conditions: [Condition]
        /// The variant, or the split, for contexts that meet the conditions.
        public var serving: Serving

        /// Makes a rule; the parameters are its properties.
        public init(if conditions: [Condition], serve serving: Serving) {
            self.conditions = conditions
            self.serving = serving
        }
    }

    /// One variant, or several for parts of all users.
    public enum Serving: Sendable, Hashable {
        /// The variant of this name.
        case variant(String)
        /// A variant for each subject, by its place in the split.
        case split(Split)

        /// The variant `on` for a percentage of all users, or of other subjects, and `off` for the others.
        ///
        /// While the percentage grows, every user who has the variant keeps it.
        ///
        /// - Parameters:
        ///   - percentage: From 0 to 100, with up to three decimal places. A flag with another one is refused when it is set;
        ///     in a view that is made of definitions, it has the caller's default.
        ///   - variant: The variant for the percentage.
        ///   - other: The variant for the others.
        ///   - attribute: The attribute that identifies a subject, such as an organization; nil for the targeting key.
        /// - Returns: The split.
        public static func percentage(
            _ percentage: Double,
            of variant: String = "on",
            otherwise other: String = "off",
            by attribute: String? = nil
        ) -> Serving {
            // "Not a number" is in no range.
            let isPercentage = (0...100).contains(percentage)
            let share = isPercentage ? Int((percentage * 1000).rounded()) : 0
            let parts = [
                Split.Part(variant: variant, weight: share), Split.Part(variant: other, weight: 100_000 - share),
            ]
            var split = Split(parts: parts, attribute: attribute)
            if !isPercentage { split.mistake = "the percentage \(percentage) is not from 0 to 100" }
            return .split(split)
        }

        /// Variants for parts of all users, or of other subjects.
        ///
        /// A variant whose share grows at the expense of those after it keeps its users.
        ///
        /// - Parameters:
        ///   - weights: The variants, each with its share relative to the sum, which is at most 2,147,483,647.
        ///   - attribute: The attribute that identifies a subject; nil for the targeting key.
        /// - Returns: The split.
        public static func split(_ weights: KeyValuePairs<String, Int>, by attribute: String? = nil) -> Serving {
            .split(Split(parts: weights.map { Split.Part(variant: $0.key, weight: $0.value) }, attribute: attribute))
        }
    }

    /// Variants for parts of all users.
    public struct Split: Sendable, Hashable {
        /// A variant and its share.
        public struct Part: Sendable, Hashable, Encodable {
            /// The name of the variant.
            public var variant: String
            /// The share, relative to the sum of all; not negative.
            public var weight: Int

            /// Makes a part; the parameters are its properties.
            public init(variant: String, weight: Int) {
                self.variant = variant
                self.weight = weight
            }
        }

        /// The parts, in their order.
        public var parts: [Part] { didSet { mistake = nil } }
        /// The reason why the split is wrong; nil if it is not.
        var mistake: String?
        /// The attribute that identifies a subject; nil for the targeting key.
        public var attribute: String?

        /// Makes a split; the parameters are its properties.
        public init(parts: [Part], attribute: String? = nil) {
            self.parts = parts
            self.attribute = attribute
        }
    }
}
