// SPDX-License-Identifier: Apache-2.0

/// The outcome of one question to one member.
enum Probe<Answer: Sendable>: Sendable {
    /// The member answered, so much time after it was asked.
    case answered(Answer, latency: Duration)
    /// There was no answer, or not the one that was asked for.
    case failed(ProbeFailure)
    /// The question does not concern this member: a learner serves no linearizable reads, and a member that has not
    /// started serves nothing.
    case skipped

    /// The answer; nil if there is none.
    var answer: Answer? { if case .answered(let answer, _) = self { answer } else { nil } }

    /// How long the answer took; nil if there is none.
    var latency: Duration? { if case .answered(_, let latency) = self { latency } else { nil } }

    /// Why there is no answer; nil if there is one, or if the question was not asked.
    var failure: ProbeFailure? { if case .failed(let failure) = self { failure } else { nil } }
}

/// Why a probe has no answer.
public struct ProbeFailure: Error, Sendable, Hashable, Codable, CustomStringConvertible {
    /// A kind of failure.
    public enum Reason: String, Sendable, Hashable, Codable, CaseIterable {
        /// Nothing listens there, or the connection broke.
        case refused
        /// There was no answer in time.
        case timedOut
        /// The member answered that it has no leader, or that the leader changed.
        case noLeader
        /// The member answered with another error.
        case serverError
        /// The member wants another user, or one with more rights.
        case unauthorized
        /// TLS could not be agreed on, or a certificate is not accepted.
        case tls
        /// The member does not serve this.
        case unsupported
        /// The answer made no sense.
        case malformed
    }

    /// The kind of failure.
    public let reason: Reason
    /// The failure, for people; never a secret.
    public let message: String

    /// Makes a failure.
    ///
    /// - Parameters:
    ///   - reason: The kind of failure.
    ///   - message: The failure, for people.
    public init(_ reason: Reason, _ message: String) {
        self.reason = reason
        self.message = message
    }

    /// It says something about the member; the others say something about the monitor's own rights and settings.
    public var countsAgainstMember: Bool {
        switch reason {
        case .refused, .timedOut, .noLeader, .serverError: true
        case .unauthorized, .tls, .unsupported, .malformed: false
        }
    }

    /// The reason and the message in one line.
    public var description: String { "\(reason.rawValue): \(message)" }
}
