// SPDX-License-Identifier: Apache-2.0

/// The state of a lease that is kept alive.
///
/// The loss of the lease is not a state: the iteration then throws an error with the reason. A task that must not act
/// without the lease compares ``deadline`` with the clock before it acts, whatever the newest state was.
public enum LeaseState: Sendable, CustomStringConvertible {
    /// The lease certainly lives until the instant, and its renewals are answered.
    case active(until: ContinuousClock.Instant)
    /// For two thirds of the time to live no renewal was answered: the lease is lost at the instant unless one is.
    ///
    /// The error is the reason, if it is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)

    /// Until when the lease certainly lives: counted from when its last answered renewal was sent.
    public var deadline: ContinuousClock.Instant {
        switch self {
        case .active(let deadline), .atRisk(let deadline, _): deadline
        }
    }

    /// Renewals are answered.
    public var isActive: Bool {
        if case .active = self { true } else { false }
    }

    /// The state, and how long the lease certainly lives from now on.
    public var description: String {
        let remaining = ContinuousClock.now.duration(to: deadline)
        return switch self {
        case .active: "active for \(remaining)"
        case .atRisk(_, let error): "at risk, lost in \(remaining)\(error.map { " (\($0))" } ?? "")"
        }
    }
}
