// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// How a session stands; see ``Session/states``.
public enum SessionState: Sendable {
    /// The session certainly lives until the instant, and its lease is renewed.
    case active(until: ContinuousClock.Instant)
    /// For two thirds of the time to live no renewal was answered: at the instant the session is lost unless one is.
    ///
    /// The error says what stands in the way, as far as that is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)
    /// The session is lost or closed; nothing comes after this.
    case lost(CoordinationLoss)
}

/// Tells all who listen the newest state.
typealias SessionNews = LatestValue<SessionState>
