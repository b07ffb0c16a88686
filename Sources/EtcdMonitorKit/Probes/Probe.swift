// SPDX-License-Identifier: Apache-2.0

/// The outcome of one probe of a member.
enum Probe<Answer: Sendable>: Sendable {
    /// The member answered, after this latency.
    case answered(Answer, latency: Duration)
    /// There was no answer, or an unexpected one.
    case failed(ProbeFailure)
    /// The probe does not apply to this member: a learner serves no linearizable reads, and a member that has not
    /// started serves nothing.
    case skipped

    /// The answer; nil if there is none.
    var answer: Answer? { if case .answered(let answer, _) = self { answer } else { nil } }

    /// The latency of the answer; nil if there is none.
    var latency: Duration? { if case .answered(_, let latency) = self { latency } else { nil } }

    /// The reason why there is no answer; nil if there is one, or if the probe was skipped.
    var failure: ProbeFailure? { if case .failed(let failure) = self { failure } else { nil } }
}

/// The reason why a probe has no answer.
public struct ProbeFailure: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// A kind of failure.
    public enum Reason: String, Sendable, Hashable, Codable, CaseIterable {
        /// The connection was refused, or it broke.
        case refused
        /// There was no answer in time.
        case timedOut
        /// The member reported that it has no leader, or that the leader changed.
        case noLeader
        /// The member reported another error.
        case serverError
        /// The member needs another user, or one with more rights.
        case unauthorized
        /// The TLS handshake failed, or a certificate is not accepted.
        case tls
        /// The member does not support the request.
        case unsupported
        /// The answer was malformed.
        case malformed
    }

    /// The kind of failure.
    public let reason: Reason
    /// A description for people; it contains no secret.
    public let message: String

    /// Makes a failure.
    ///
    /// - Parameters:
    ///   - reason: The kind of failure.
    ///   - message: A description for people; it contains no secret.
    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// Whether it indicates a fault of the member.
    ///
    /// The others are about the monitor's own rights and settings.
    public var countsAgainstMember: Bool {
        switch reason {
        case .refused, .timedOut, .noLeader, .serverError: true
        case .unauthorized, .tls, .unsupported, .malformed: false
        }
    }

    /// The reason and the message in one line.
    public var description: String { "\(reason.rawValue): \(message)" }
}
