// SPDX-License-Identifier: Apache-2.0

import EtcdKit

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
    /// By cluster, because clusters take turns, the notification that some recipients have and others do not.
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

    /// Finds settings that cannot work: addresses, a login without protection, files that cannot be read.
    ///
    /// It does not connect.
    ///
    /// - Throws: The first thing that is wrong.
    public func check() throws(AlertChannelError) { _ = try SMTPSettings(options) }

    /// Sends a mail to all recipients that do not have it from an earlier attempt.
    ///
    /// A recipient that the server refuses does not keep the mail from the others. One that it puts off, as by
    /// greylisting or because a mailbox is full, is an error, so that there is another attempt, for that recipient
    /// alone. After five attempts, or one for a trial, the mail counts as delivered. The answer names those that do not
    /// have it.
    ///
    /// - Parameter notification: The alerts, and why they are told.
    /// - Returns: The server's answer to the mail, and its refusals.
    /// - Throws: Why the mail went to nobody, or which recipients are to get it in another attempt.
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
