// SPDX-License-Identifier: Apache-2.0

/// Decides whether a watch that the server has refused is worth another attempt: a value without clock and I/O.
///
/// etcd checks the token of the stream whenever a watch is created on it, and that may be an old one. Before 3.4.22 and
/// 3.5.6 it reports an expired token as "permission denied". So a refusal counts only with a token that was granted for
/// this attempt.
struct WatchAdmission {
    enum Verdict: Equatable {
        /// Again, with a new token.
        case renewToken
        /// Again, as it was.
        case retry
        case refuse
    }

    /// When the first of the attempts began that the server has refused one after the other.
    private var firstAttempt: ContinuousClock.Instant?

    /// The verdict on the refusal of an attempt that began at `attempt`, with a token that was granted at `granted`.
    mutating func refused(
        _ code: EtcdError.Code,
        attempt: ContinuousClock.Instant,
        granted: ContinuousClock.Instant?,
        canRenew: Bool
    ) -> Verdict {
        guard code.meansTokenIsRejected || code == .permissionDenied else { return .refuse }
        let isFirst = firstAttempt == nil
        let start = firstAttempt ?? attempt
        firstAttempt = start
        if canRenew {
            if let granted, granted > start { return .refuse }
            return .renewToken
        }
        // A client with a certificate has no token to renew, but etcd may have had an old copy of its permissions.
        return isFirst && code == .staleToken ? .retry : .refuse
    }
}
