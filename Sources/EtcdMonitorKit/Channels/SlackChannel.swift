// SPDX-License-Identifier: Apache-2.0

/// Posts a message to a Slack channel for each notification, through an incoming webhook.
///
/// ```swift
/// SlackChannel(url: .file("/run/secrets/slack")) { notification in
///     var message = SlackChannel.message(for: notification)
///     message.text = "<!here> \(message.text)"
///     return message
/// }
/// ```
///
/// Slack's webhooks cannot change a message, so each reminder and each resolution is a new message.
public struct SlackChannel: AlertChannel {
    private let receiver: AlertReceiver
    private let format: @Sendable (AlertNotification) -> Message
    /// Changes of a cluster share a message.
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

    /// Reads the secrets and the TLS files, and checks them.
    ///
    /// - Throws: The error in the settings, which is permanent.
    public func check() throws(AlertChannelError) { try receiver.check() }

    /// Posts the message.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The answer of Slack.
    /// - Throws: The reason why it could not be delivered.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let answer = try await receiver.post(json: format(notification))
        // A portal in between may return 200, too.
        guard answer.status == 200, answer.body.elementsEqual("ok".utf8) else {
            throw AlertChannelError("\(answer.summary) (expected 200: ok)")
        }
        return answer.summary
    }
}
