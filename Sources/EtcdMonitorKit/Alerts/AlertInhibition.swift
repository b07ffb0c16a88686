// SPDX-License-Identifier: Apache-2.0

/// Keeps quiet about the consequences of an alert while that fires.
public struct AlertInhibition: Sendable, Hashable {
    /// The conditions on the cause, all of them.
    public var source: [AlertMatcher]
    /// The conditions on the consequences, all of them.
    public var target: [AlertMatcher]
    /// The labels in which cause and consequence agree.
    public var equal: [String]

    /// Makes an inhibition.
    ///
    /// - Parameters:
    ///   - source: The conditions on the cause, all of them.
    ///   - target: The conditions on the consequences, all of them.
    ///   - equal: The labels in which cause and consequence agree.
    public init(_ source: [AlertMatcher], mutes target: [AlertMatcher], equal: [String] = ["cluster"]) {
        self.source = source
        self.target = target
        self.equal = equal
    }
}
