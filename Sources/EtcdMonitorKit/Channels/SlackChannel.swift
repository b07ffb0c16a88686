// SPDX-License-Identifier: Apache-2.0

/// Posts a message to a channel of Slack for each notification, by an incoming webhook.
///
/// ```swift
/// SlackChannel(url: .file("/run/secrets/slack")) { notification in
///     var message = SlackChannel.message(for: notification)
///     message.text = "<!here> \(message.text)"
///     return message
/// }
/// ```
///
/// Slack's webhooks cannot change a message, so each repeat and each end is a message of its own.
public struct SlackChannel: AlertChannel {
    private let receiver: AlertReceiver
    private let format: @Sendable (AlertNotification) -> Message
    /// News of a cluster are told together.
    public let delivery: AlertDelivery

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - url: The URL of the incoming webhook.
    ///   - options: The timeout and TLS.
    ///   - format: Makes the message; nil for ``message(for:)``.
    public init(
        url: Secret,
        _ options: HTTPChannelOptions = HTTPChannelOptions(),
        format: (@Sendable (AlertNotification) -> Message)? = nil
    ) {
        receiver = AlertReceiver(url, options)
        self.format = format ?? Self.message
        delivery = AlertDelivery(sendsResolved: options.sendsResolved)
    }

    /// `slack`.
    public var kind: String { "slack" }

    /// Reads the secrets and the files for TLS, and looks for mistakes in them.
    ///
    /// - Throws: The mistake, which is permanent.
    public func check() throws(AlertChannelError) { try receiver.check() }

    /// Posts the message.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: The answer of Slack.
    /// - Throws: Why it could not be delivered.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let answer = try await receiver.post(json: format(notification))
        // A portal on the way may say 200, too.
        guard answer.status == 200, answer.body.elementsEqual("ok".utf8) else {
            throw AlertChannelError("\(answer.summary) (expected 200: ok)")
        }
        return answer.summary
    }
}
