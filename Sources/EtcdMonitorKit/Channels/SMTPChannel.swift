// SPDX-License-Identifier: Apache-2.0

/// Tells people about alerts by mail.
///
/// ```swift
/// let mail = SMTPChannel(
///     SMTPChannel.Options(
///         host: "smtp.example.com",
///         user: "etcd",
///         password: .file("/run/secrets/smtp"),
///         from: "etcd monitor <etcd@example.com>",
///         to: ["ops@example.com"]
///     )
/// )
/// ```
///
/// All mails about one alert, from its beginning to its end, are one conversation in a mail program. A mail that was
/// sent twice, because the server's answer was lost, has the same `Message-ID` both times.
public struct SMTPChannel: AlertChannel {
    /// The settings.
    public let options: Options
    /// Makes the text of a mail.
    public let format: @Sendable (AlertNotification) -> MailContent

    /// Makes a channel.
    ///
    /// - Parameters:
    ///   - options: The server and the addresses.
    ///   - format: Makes the text of a mail; nil for ``MailContent/init(_:)``.
    public init(_ options: Options, format: (@Sendable (AlertNotification) -> MailContent)? = nil) {
        self.options = options
        self.format = format ?? { MailContent($0) }
    }

    /// The kind of channel: `smtp`.
    public var kind: String { "smtp" }
    /// Mails are grouped.
    public var delivery: AlertDelivery { AlertDelivery(sendsResolved: options.sendsResolved) }

    /// Finds settings that cannot work: addresses, a login without protection, files that cannot be read.
    ///
    /// It does not connect.
    ///
    /// - Throws: The first thing that is wrong.
    public func check() throws(AlertChannelError) { _ = try SMTPSettings(options) }

    /// Sends a mail to all recipients.
    ///
    /// A recipient that the server refuses does not keep the mail from the others. The answer names it.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: The server's answer to the mail, and its refusals.
    /// - Throws: Why the mail went to nobody.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let settings = try SMTPSettings(options)
        let message = MailMessage(
            from: settings.from,
            to: settings.to,
            notification: notification,
            content: format(notification)
        )
        return try await SMTPClient.deliver(message.bytes, settings)
    }
}
