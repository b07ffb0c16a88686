// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// The state of a channel.
public struct ChannelReport: Sendable, Hashable, Codable {
    /// Its name.
    public var name: String
    /// Its kind, such as `slack`.
    public var kind: String
    /// The number of open alerts that were delivered to it.
    public var openAlerts = 0
    /// The number of alerts with changes that are still to be delivered.
    public var waitingAlerts = 0
    /// The number of delivered notifications since the center started.
    public var delivered = 0
    /// The number of failed attempts since the center started.
    public var failed = 0
    /// The number of failed attempts in a row.
    public var failuresInARow = 0
    /// The time of the newest success; nil for none.
    public var lastSuccess: Date?
    /// The reason of the newest failure, if there was no success since; it contains no secret.
    public var lastError: String?

    /// Makes a report of an unused channel.
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - kind: Its kind.
    public init(name: String, kind: String) {
        self.name = name
        self.kind = kind
    }
}
