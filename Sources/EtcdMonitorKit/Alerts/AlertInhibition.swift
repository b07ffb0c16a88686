// SPDX-License-Identifier: Apache-2.0

/// Mutes the consequences of an alert while the alert fires.
public struct AlertInhibition: Sendable, Hashable {
    /// The conditions on the cause, all of them.
    public var source: [AlertMatcher]
    /// The conditions on the consequences, all of them.
    public var target: [AlertMatcher]
    /// The labels that must be equal in cause and consequence.
    public var equal: [String]

    /// Makes an inhibition.
    ///
    /// - Parameters:
    ///   - source: The conditions on the cause, all of them.
    ///   - target: The conditions on the consequences, all of them.
    ///   - equal: The labels that must be equal in cause and consequence.
    public init(_ source: [AlertMatcher], mutes target: [AlertMatcher], equal: [String] = ["cluster"]) {
        self.source = source
        self.target = target
        self.equal = equal
    }
}
