// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A decision of a person not to be told about some alerts for a while.
///
/// An alert that people have been told of stays open while it is silenced; its end is still told.
public struct Silence: Sendable, Hashable, Codable, Identifiable {
    /// How far a silence has come.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// It begins later.
        case pending
        /// It holds.
        case active
        /// It is over.
        case expired
    }

    /// Its identity.
    public let id: String
    /// The conditions that an alert has to fulfil, all of them.
    public let matchers: [AlertMatcher]
    /// When it begins.
    public let startsAt: Date
    /// When it ends.
    public var endsAt: Date
    /// The author.
    public let createdBy: String
    /// The reason.
    public let comment: String

    /// Makes a silence.
    ///
    /// - Parameters:
    ///   - matchers: The conditions that an alert has to fulfil, all of them; at least one.
    ///   - startsAt: When it begins.
    ///   - endsAt: When it ends.
    ///   - createdBy: The author.
    ///   - comment: The reason.
    public init(
        _ matchers: [AlertMatcher],
        startsAt: Date = Date(),
        endsAt: Date,
        createdBy: String,
        comment: String
    ) {
        id = UUID().uuidString.lowercased()
        self.matchers = matchers
        self.startsAt = startsAt
        self.endsAt = endsAt
        self.createdBy = createdBy
        self.comment = comment
    }

    /// How far it has come.
    ///
    /// - Parameter time: The time to judge by.
    /// - Returns: The state at that time.
    public func state(at time: Date) -> State {
        if time >= endsAt { return .expired }
        return time < startsAt ? .pending : .active
    }
}
