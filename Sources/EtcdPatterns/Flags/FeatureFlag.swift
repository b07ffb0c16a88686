// SPDX-License-Identifier: Apache-2.0

/// The definition of a flag: what it can be, and for whom it is what.
///
/// ```swift
/// var flag = FeatureFlag(serve: .percentage(10))
/// flag.rules = [.init(if: [.attribute("plan", in: ["pro", "team"])], serve: .variant("on"))]
/// ```
///
/// It is stored as JSON; a flag without rules is just `true` or `false`.
public struct FeatureFlag: Sendable, Hashable {
    /// What the flag is for, for people.
    public var description: String?
    /// Whether the flag is evaluated at all; else everybody gets ``offVariant``: the kill switch.
    public var isEnabled: Bool
    /// What the flag can be: values, usually of one type, by their names.
    public var variants: [String: FlagValue]
    /// The name of the variant of a flag that is switched off; nil for the caller's default.
    public var offVariant: String?
    /// The names of the variants that other flags must have for the same context; else the flag is switched off for it.
    public var prerequisites: [String: String]
    /// Who gets what: the first rule that matches counts.
    public var rules: [Rule]
    /// What those get for whom no rule matches.
    public var serving: Serving
    /// Which flags put their percentages to the same part of all users: those of one group.
    ///
    /// nil for none but itself, so that a user's luck with this flag says nothing of others. To deal anew, give it a
    /// group of its own.
    public var rolloutGroup: String?

    /// The variants of a flag that is on or off.
    static let switchVariants: [String: FlagValue] = ["on": true, "off": false]

    /// A flag that is on or off, with the variants `on` and `off`.
    ///
    /// - Parameters:
    ///   - isEnabled: Whether the flag is evaluated at all, instead of being off for everybody.
    ///   - rules: Who gets what.
    ///   - serving: What the others get; `on` by default.
    public init(isEnabled: Bool = true, rules: [Rule] = [], serve serving: Serving = .variant("on")) {
        self.init(isEnabled: isEnabled, variants: Self.switchVariants, rules: rules, serve: serving, off: "off")
    }

    /// A flag with variants of its own.
    ///
    /// - Parameters:
    ///   - isEnabled: Whether the flag is evaluated at all.
    ///   - variants: What the flag can be, by name.
    ///   - rules: Who gets what.
    ///   - serving: What the others get.
    ///   - offVariant: What everybody gets when the flag is switched off; nil for the caller's default.
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

    /// What those get for whom all of some conditions hold.
    public struct Rule: Sendable, Hashable {
        /// What must hold; a rule without conditions matches everybody.
        public var conditions: [Condition]
        /// What they get.
        public var serving: Serving

        /// Makes a rule.
        ///
        /// - Parameters:
        ///   - conditions: What must hold.
        ///   - serving: What those get for whom it does.
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

        /// The variant `on` for a percentage of all users, or of what else they are told apart by, and `off` for the
        /// others.
        ///
        /// Whoever has it keeps it while the percentage grows.
        ///
        /// - Parameters:
        ///   - percentage: From 0 to 100, with up to three decimal places. With another, the flag cannot be set, and one that
        ///     is evaluated without etcd has the caller's default.
        ///   - variant: What the lucky ones get.
        ///   - other: What the others get.
        ///   - attribute: By what to tell them apart, such as an organization; nil for the targeting key.
        /// - Returns: The split.
        public static func percentage(
            _ percentage: Double,
            of variant: String = "on",
            otherwise other: String = "off",
            by attribute: String? = nil
        ) -> Serving {
            // A number that is none is in no range.
            let isPercentage = (0...100).contains(percentage)
            let share = isPercentage ? Int((percentage * 1000).rounded()) : 0
            let parts = [
                Split.Part(variant: variant, weight: share), Split.Part(variant: other, weight: 100_000 - share),
            ]
            var split = Split(parts: parts, attribute: attribute)
            if !isPercentage { split.mistake = "the percentage \(percentage) is not from 0 to 100" }
            return .split(split)
        }

        /// Variants for parts of all users, or of what else they are told apart by.
        ///
        /// A variant whose share grows at the expense of those behind it keeps all that it has.
        ///
        /// - Parameters:
        ///   - weights: The variants, each with its share relative to the sum, which is at most 2,147,483,647.
        ///   - attribute: By what to tell them apart; nil for the targeting key.
        /// - Returns: The split.
        public static func split(_ weights: KeyValuePairs<String, Int>, by attribute: String? = nil) -> Serving {
            .split(Split(parts: weights.map { Split.Part(variant: $0.key, weight: $0.value) }, attribute: attribute))
        }
    }

    /// Variants for parts of all users.
    public struct Split: Sendable, Hashable {
        /// A variant and its share.
        public struct Part: Sendable, Hashable {
            /// The name of the variant.
            public var variant: String
            /// The share, relative to the sum of all; not negative.
            public var weight: Int

            /// Makes a part.
            ///
            /// - Parameters:
            ///   - variant: The name of the variant.
            ///   - weight: The share, relative to the sum of all.
            public init(variant: String, weight: Int) {
                self.variant = variant
                self.weight = weight
            }
        }

        /// The parts, in the order in which they lie side by side.
        public var parts: [Part] { didSet { mistake = nil } }
        /// Why there are no such parts.
        var mistake: String?
        /// By what users are told apart; nil for the targeting key.
        public var attribute: String?

        /// Makes a split.
        ///
        /// - Parameters:
        ///   - parts: The parts, in the order in which they lie side by side.
        ///   - attribute: By what users are told apart; nil for the targeting key.
        public init(parts: [Part], attribute: String? = nil) {
            self.parts = parts
            self.attribute = attribute
        }
    }
}
