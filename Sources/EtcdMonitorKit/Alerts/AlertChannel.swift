// SPDX-License-Identifier: Apache-2.0

/// A receiver of alerts: people or another system.
///
/// The center sends one notification at a time to each channel, waits for the result, and tries again after an error. A
/// channel needs neither a queue nor retries. The center builds a notification again for each attempt, so a channel
/// that was down for an hour receives the current state.
///
/// Descriptions and mirrors of a channel show only its kind, so no secret appears in a log.
public protocol AlertChannel: Sendable, CustomStringConvertible, CustomReflectable {
    /// The kind of channel, for people, such as `slack`.
    var kind: String { get }
    /// The settings of the delivery.
    var delivery: AlertDelivery { get }

    /// Checks the settings for errors that would make each delivery fail, without a connection.
    ///
    /// It accesses the file system on the caller's thread. The default implementation does nothing.
    ///
    /// - Throws: The error in the settings.
    func check() throws(AlertChannelError)

    /// Delivers a notification.
    ///
    /// It must end by itself within a bounded time, and when its task is cancelled.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The answer of the receiver, in one line, without secrets.
    /// - Throws: The reason why it could not be delivered.
    func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String
}

extension AlertChannel {
    /// Does nothing.
    public func check() throws(AlertChannelError) {}
    /// The kind of channel.
    public var description: String { kind }
    /// Shows nothing of the channel.
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// The delivery settings of a channel.
public struct AlertDelivery: Sendable, Hashable {
    /// Whether alerts of one cluster share messages, at most one per group interval.
    public var isGrouped: Bool
    /// Whether the channel is notified when an alert is resolved.
    public var sendsResolved: Bool
    /// How often the channel must be notified that an alert still fires, whatever a route says; nil to follow the
    /// route.
    public var keepAlive: Duration?
    /// For how long a channel with ``keepAlive`` is notified of the resolution of an alert.
    public var resolvedKeepAlive: Duration

    /// Makes the settings of a channel that people read.
    ///
    /// - Parameters:
    ///   - isGrouped: Whether alerts of one cluster share messages.
    ///   - sendsResolved: Whether the channel is notified when an alert is resolved.
    ///   - keepAlive: How often the channel must be notified that an alert still fires.
    ///   - resolvedKeepAlive: For how long the channel is notified of the resolution of an alert.
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

/// An error of a delivery.
public struct AlertChannelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The reason, in one line, without secrets.
    public var message: String
    /// The time that the receiver asks to wait; nil if it does not say.
    public var retryAfter: Duration?
    /// Whether only a change of the settings helps.
    ///
    /// The same message would be refused again, so it is retried, but rarely.
    public var isPermanent: Bool
    /// Whether the message may have arrived nevertheless, for example because the answer was lost.
    ///
    /// Then the channel receives the resolution of its alerts even if no later attempt succeeds before.
    public var mayHaveArrived = false

    /// Makes an error.
    ///
    /// - Parameters:
    ///   - message: The reason, in one line, without secrets.
    ///   - retryAfter: The time that the receiver asks to wait.
    ///   - isPermanent: Whether the same message would be refused again.
    public init(_ message: String, retryAfter: Duration? = nil, isPermanent: Bool = false) {
        self.message = message
        self.retryAfter = retryAfter
        self.isPermanent = isPermanent
    }

    /// The message.
    public var description: String { message }
}
