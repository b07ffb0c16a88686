// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// A change that a person made.
public struct AuditRecord: Sendable, Hashable, Codable {
    /// The time of the change.
    public var time: Date
    /// The author: the name of the token, or another name.
    public var actor: String
    /// The change, such as `silence.add`.
    public var action: String
    /// The object of the change, such as the identity of a silence.
    public var subject: String
    /// The change in one sentence.
    public var detail: String

    /// Makes a record.
    ///
    /// - Parameters:
    ///   - time: The time of the change.
    ///   - actor: The author.
    ///   - action: The change.
    ///   - subject: The object of the change.
    ///   - detail: The change in one sentence.
    public init(time: Date = Date(), actor: String, action: String, subject: String, detail: String) {
        self.time = time
        self.actor = actor
        self.action = action
        self.subject = subject
        self.detail = detail
    }
}
