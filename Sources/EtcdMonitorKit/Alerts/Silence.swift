// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A decision of a person to mute some alerts for a while.
///
/// An alert that was sent before stays open while it is silenced; its resolution is still sent.
public struct Silence: Sendable, Hashable, Codable, Identifiable {
    /// The state of a silence.
    public enum State: String, Sendable, Hashable, Codable, CaseIterable {
        /// It starts later.
        case pending
        /// It mutes alerts now.
        case active
        /// It has ended.
        case expired
    }

    /// Its identity.
    public let id: String
    /// The conditions that an alert must meet, all of them.
    public let matchers: [AlertMatcher]
    /// The time when it starts.
    public let startsAt: Date
    /// The time when it ends.
    public var endsAt: Date
    /// The author.
    public let createdBy: String
    /// The reason.
    public let comment: String

    /// Makes a silence.
    ///
    /// - Parameters:
    ///   - matchers: The conditions that an alert must meet, all of them; at least one.
    ///   - startsAt: The time when it starts.
    ///   - endsAt: The time when it ends.
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

    /// The state at a time.
    ///
    /// - Parameter time: The time.
    /// - Returns: The state at that time.
    public func state(at time: Date) -> State {
        if time >= endsAt { return .expired }
        return time < startsAt ? .pending : .active
    }
}
