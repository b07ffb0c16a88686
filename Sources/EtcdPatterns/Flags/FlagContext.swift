// SPDX-License-Identifier: Apache-2.0

/// Whom a flag is evaluated for.
///
/// ```swift
/// let context = FlagContext("user-7", attributes: ["plan": "pro", "age": 41])
/// ```
public struct FlagContext: Sendable, Hashable {
    /// Who it is, by which percentages tell users apart; nil for nobody in particular.
    public var targetingKey: String?
    /// What is known of it.
    ///
    /// The attribute `targetingKey` is ``targetingKey``, whatever stands here.
    public var attributes: [String: FlagValue]

    /// Describes whom a flag is evaluated for.
    ///
    /// - Parameters:
    ///   - targetingKey: Who it is, such as the identifier of a user.
    ///   - attributes: What is known of it.
    public init(_ targetingKey: String? = nil, attributes: [String: FlagValue] = [:]) {
        self.targetingKey = targetingKey
        self.attributes = attributes
    }

    static let targetingKeyName = "targetingKey"

    subscript(attribute: String) -> FlagValue? {
        attribute == Self.targetingKeyName ? targetingKey.map { .string($0) } : attributes[attribute]
    }
}
