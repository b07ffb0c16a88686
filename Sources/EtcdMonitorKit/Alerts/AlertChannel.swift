// SPDX-License-Identifier: Apache-2.0

/// A way to tell people or other systems about alerts.
///
/// The center sends one notification at a time to each channel, waits for it, and tries again after an error; a channel
/// need neither queue nor retry. Its news are worked out anew for each attempt, so a channel that was
/// down for an hour is told how things are now.
///
/// Descriptions and mirrors of a channel show its kind alone, so that none of its secrets gets into a log.
public protocol AlertChannel: Sendable, CustomStringConvertible, CustomReflectable {
    /// The kind of channel, for people, such as `slack`.
    var kind: String { get }
    /// How the channel wants to be told.
    var delivery: AlertDelivery { get }

    /// Looks for mistakes in the settings that would make each delivery fail, without a connection.
    ///
    /// It waits for the file system, on the caller's thread. Unless a channel has its own, it finds nothing.
    ///
    /// - Throws: The mistake.
    func check() throws(AlertChannelError)

    /// Delivers a notification.
    ///
    /// It has to end by itself within a bounded time, and when its task is cancelled.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: The answer of the other side, in one line, without secrets.
    /// - Throws: Why it could not be delivered.
    func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String
}

extension AlertChannel {
    /// Finds nothing.
    public func check() throws(AlertChannelError) {}
    /// The kind of channel.
    public var description: String { kind }
    /// Shows nothing of the channel.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// How a channel wants to be told.
public struct AlertDelivery: Sendable, Hashable {
    /// Alerts of one cluster that come together are told together, and no more than once in the group interval.
    public var isGrouped: Bool
    /// The channel is told when an alert is over.
    public var sendsResolved: Bool
    /// How often the channel has to hear that an alert goes on, whatever a route says; nil for as the route says.
    public var keepAlive: Duration?
    /// For how long after its end a channel with ``keepAlive`` goes on hearing that an alert is over.
    public var resolvedKeepAlive: Duration

    /// Makes a description of a channel that people read.
    ///
    /// - Parameters:
    ///   - isGrouped: Alerts of one cluster that come together are told together.
    ///   - sendsResolved: The channel is told when an alert is over.
    ///   - keepAlive: How often the channel has to hear that an alert goes on.
    ///   - resolvedKeepAlive: For how long after its end it goes on hearing that an alert is over.
    public init(
        isGrouped: Bool = true,
        sendsResolved: Bool = true,
        keepAlive: Duration? = nil,
        resolvedKeepAlive: Duration = .zero
    ) {
        self.isGrouped = isGrouped
        self.sendsResolved = sendsResolved
        self.keepAlive = keepAlive
        self.resolvedKeepAlive = resolvedKeepAlive
    }
}

/// Why a channel could not be told.
public struct AlertChannelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason, in one line, without secrets.
    public var message: String
    /// How long the other side asks to be left alone; nil if it does not say.
    public var retryAfter: Duration?
    /// Only a change of the settings helps.
    ///
    /// The same message would be refused again, so it is tried again, but seldom.
    public var isPermanent: Bool
    /// The message may have arrived nevertheless, as when the answer is lost.
    ///
    /// Then the channel is told the end of its alerts even if no later attempt succeeds before.
    public var mayHaveArrived = false

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - message: The reason, in one line, without secrets.
    ///   - retryAfter: How long the other side asks to be left alone.
    ///   - isPermanent: The same message would be refused again.
    public init(_ message: String, retryAfter: Duration? = nil, isPermanent: Bool = false) {
        self.message = message
        self.retryAfter = retryAfter
        self.isPermanent = isPermanent
    }

    /// The message.
    public var description: String { message }
}
