// SPDX-License-Identifier: Apache-2.0

public import Foundation

/// How a channel is.
public struct ChannelReport: Sendable, Hashable, Codable {
    /// Its name.
    public var name: String
    /// Its kind, such as `slack`.
    public var kind: String
    /// How many alerts it has been told of that are not over.
    public var openAlerts = 0
    /// How many alerts it has news of that it has not been told yet.
    public var waitingAlerts = 0
    /// How many notifications were delivered since the center began.
    public var delivered = 0
    /// How many attempts failed since the center began.
    public var failed = 0
    /// How many attempts have failed in a row.
    public var failuresInARow = 0
    /// The newest success; nil for none.
    public var lastSuccess: Date?
    /// The reason of the newest failure, if there was no success since; without secrets.
    public var lastError: String?

    /// Makes a report of a channel that was never used.
    ///
    /// - Parameters:
    ///   - name: Its name.
    ///   - kind: Its kind.
    public init(name: String, kind: String) {
        self.name = name
        self.kind = kind
    }
}
