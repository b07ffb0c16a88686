// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// How a session stands; see ``Session/states``.
///
/// More may be added, so a `switch` over states needs a `default`.
public enum SessionState: Sendable, CustomStringConvertible {
    /// The session certainly lives until the instant; its lease is renewed before that.
    case active(until: ContinuousClock.Instant)
    /// No renewal was answered for two thirds of the time to live: without an answer, the session is lost at the instant.
    ///
    /// The error is the reason, as far as that is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)
    /// The session is lost or closed; nothing comes after this.
    case lost(CoordinationLoss)

    /// The state in one line.
    public var description: String {
        switch self {
        case .active(let end): "active, for \(max(.zero, end - .now)) without a renewal"
        case .atRisk(let end, let cause):
            "at risk, for \(max(.zero, end - .now)) more\(cause.map { ": \($0)" } ?? "")"
        case .lost(let loss): "\(loss)"
        }
    }
}
