// SPDX-License-Identifier: Apache-2.0

/// The user, or other subject, that a flag is evaluated for.
///
/// ```swift
/// let context = FlagContext("user-7", attributes: ["plan": "pro", "age": 41])
/// ```
public struct FlagContext: Sendable, Hashable {
    /// Identifies the subject, for percentages; nil if there is no particular one.
    public var targetingKey: String?
    /// The attributes of the subject.
    ///
    /// The attribute `targetingKey` is always ``targetingKey``.
    public var attributes: [String: FlagValue]

    /// Makes a context.
    ///
    /// - Parameters:
    ///   - targetingKey: Identifies the subject, such as the ID of a user.
    ///   - attributes: The attributes of the subject.
    public init(_ targetingKey: String? = nil, attributes: [String: FlagValue] = [:]) {
        self.targetingKey = targetingKey
        self.attributes = attributes
    }

    static let targetingKeyName = "targetingKey"

    subscript(attribute: String) -> FlagValue? {
        attribute == Self.targetingKeyName ? targetingKey.map { .string($0) } : attributes[attribute]
    }
}
