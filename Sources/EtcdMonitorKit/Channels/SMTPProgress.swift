// SPDX-License-Identifier: Apache-2.0

/// The outcome of one attempt to deliver a mail.
struct SMTPDelivery: Sendable {
    /// The server's answer to the mail; nil if it took none of the recipients.
    var answer: String?
    /// The addresses that the mail went to.
    var taken: Set<String> = []
    /// The recipients that the server refuses for good, each with its reply.
    var refused: [String] = []
    /// The recipients that the server refuses for now, each with its reply.
    var putOff: [String] = []
}

/// Which recipients have a notification, from attempt to attempt.
struct SMTPProgress: Sendable {
    /// A mailbox that stays full must not hold up the channel.
    private static let attemptLimit = 5
    /// Most servers that put off an unknown sender do so for five minutes, which the attempts have to outlast.
    private static let pause = Duration.seconds(90)

    /// The identity of the notification.
    let id: String
    /// The addresses of those that have it.
    private(set) var taken: Set<String> = []
    private var attempts = 0

    init(id: String) { self.id = id }

    /// Notes an attempt.
    ///
    /// - Parameters:
    ///   - delivery: The outcome of the attempt.
    ///   - peer: The server, for messages.
    ///   - isLast: There is no further attempt.
    /// - Returns: The server's answer, and those that do not get the mail.
    /// - Throws: Which recipients are put off, if they are to be tried again.
    mutating func note(
        _ delivery: SMTPDelivery,
        from peer: String,
        isLast: Bool
    ) throws(AlertChannelError) -> String {
        taken.formUnion(delivery.taken)
        attempts += 1
        let putOff = delivery.putOff.joined(separator: ", ")
        if !putOff.isEmpty && !isLast && attempts < Self.attemptLimit {
            throw AlertChannelError("\(peer) puts off some recipients: \(putOff)", retryAfter: Self.pause)
        }
        var parts = [delivery.answer ?? "taken in an earlier attempt"]
        if !delivery.refused.isEmpty { parts.append("refused: \(delivery.refused.joined(separator: ", "))") }
        if !putOff.isEmpty { parts.append("not delivered to: \(putOff)") }
        return parts.joined(separator: "; ")
    }
}
