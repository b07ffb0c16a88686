// SPDX-License-Identifier: Apache-2.0

/// The outcome of one attempt to deliver a mail.
struct SMTPDelivery: Sendable {
    /// The server's answer to the mail; nil if it accepted no recipient.
    var answer: String?
    /// The addresses that received the mail.
    var taken: Set<String> = []
    /// The recipients that the server refuses permanently, each with its reply.
    var refused: [String] = []
    /// The recipients that the server defers, each with its reply.
    var putOff: [String] = []
}

/// The recipients that have received a notification, over several attempts.
struct SMTPProgress: Sendable {
    /// The largest number of attempts.
    ///
    /// A full mailbox must not block the channel.
    private static let attemptLimit = 5
    /// The pause between attempts.
    ///
    /// Most servers with greylisting defer an unknown sender for five minutes.
    private static let pause = Duration.seconds(90)

    /// The identity of the notification.
    let id: String
    /// The addresses that have received it.
    private(set) var taken: Set<String> = []
    private var attempts = 0

    init(id: String) { self.id = id }

    /// Records an attempt.
    ///
    /// - Parameters:
    ///   - delivery: The outcome of the attempt.
    ///   - peer: The server, for messages.
    ///   - isLast: Whether there is no further attempt.
    /// - Returns: The server's answer, and the recipients that do not receive the mail.
    /// - Throws: The deferred recipients, if they need another attempt.
    mutating func note(
        _ delivery: SMTPDelivery,
        from peer: String,
        isLast: Bool
    ) throws(AlertChannelError) -> String {
        taken.formUnion(delivery.taken)
        attempts += 1
        let putOff = delivery.putOff.joined(separator: ", ")
        if !putOff.isEmpty && !isLast && attempts < Self.attemptLimit {
            throw AlertChannelError("\(peer) defers some recipients: \(putOff)", retryAfter: Self.pause)
        }
        var parts = [delivery.answer ?? "accepted in an earlier attempt"]
        if !delivery.refused.isEmpty { parts.append("refused: \(delivery.refused.joined(separator: ", "))") }
        if !putOff.isEmpty { parts.append("not delivered to: \(putOff)") }
        return parts.joined(separator: "; ")
    }
}
