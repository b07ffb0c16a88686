// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Sends alerts by mail.
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
/// All mails about one alert, from its start to its end, form one conversation in a mail program. A mail that was sent
/// twice, because the server's answer was lost, has the same `Message-ID` both times.
public struct SMTPChannel: AlertChannel {
    /// The settings.
    public let options: Options
    /// Makes the text of a mail.
    public let format: @Sendable (AlertNotification) -> MailContent
    /// By cluster, because clusters take turns: the notification that only some recipients have received.
    private let unfinished = Lock<[String: SMTPProgress]>([:])

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

    /// Checks the settings: addresses, a login without protection, unreadable files.
    ///
    /// It does not connect.
    ///
    /// - Throws: The first error.
    public func check() throws(AlertChannelError) { _ = try SMTPSettings(options) }

    /// Sends a mail to all recipients that did not receive it in an earlier attempt.
    ///
    /// A recipient that the server refuses does not block the others. A recipient that the server defers, for example
    /// by greylisting or because a mailbox is full, causes an error, so that there is another attempt for that
    /// recipient only. After five attempts, or one for a test, the mail counts as delivered. The answer names the
    /// recipients that did not receive it.
    ///
    /// - Parameter notification: The alerts, and the reasons why they are sent.
    /// - Returns: The server's answer to the mail, and its refusals.
    /// - Throws: The reason why no recipient received the mail, or the recipients that need another attempt.
    public func send(_ notification: AlertNotification) async throws(AlertChannelError) -> String {
        let settings = try SMTPSettings(options)
        let message = MailMessage(
            from: settings.from,
            to: settings.to,
            notification: notification,
            content: format(notification)
        )
        let (cluster, isTest) = (notification.cluster, notification.isTest)
        let old = unfinished.withLock { $0[cluster] }
        var progress = SMTPProgress(id: notification.id)
        if let old, old.id == notification.id { progress = old }
        do throws(AlertChannelError) {
            let delivery = try await SMTPClient.deliver(message.bytes, settings, except: progress.taken)
            let answer = try progress.note(delivery, from: settings.endpoint.description, isLast: isTest)
            if !isTest { unfinished.withLock { $0[cluster] = nil } }
            return answer
        } catch {
            if progress.taken.isEmpty { throw error }
            unfinished.withLock { [progress] in $0[cluster] = progress }
            var error = error
            error.mayHaveArrived = true
            throw error
        }
    }
}
