// SPDX-License-Identifier: Apache-2.0

extension HighAvailabilityCoordinator {
    /// The role of a member.
    public enum Role: String, Sendable, Hashable {
        /// The one that leads.
        case primary
        /// One of those that stand by.
        case secondary
    }

    /// An event of a member, in the order in which they happened.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable, CustomStringConvertible {
        /// The work of a secondary begins.
        case secondaryStarted
        /// The work of a secondary has ended; the error is the one that it has thrown by itself.
        case secondaryEnded((any Error)?)
        /// The work of a primary begins.
        case primaryStarted(LeaderTerm)
        /// The work of a primary has ended; the error is the ``CoordinationLoss`` that has ended its term, with how long the
        /// work went on after that, or the one that it has thrown by itself.
        case primaryEnded(LeaderTerm, (any Error)?)
        /// Work was cancelled, has not ended within ``LeaderElection/drainTime``, and still goes on.
        ///
        /// If it is a primary that has lost its lease, another may be primary from now on, whose requests have a higher
        /// token. A secondary keeps its member from being primary, which therefore steps down.
        case overran(Role)

        /// The event in one line.
        public var description: String {
            switch self {
            case .secondaryStarted: "secondary started"
            case .secondaryEnded(let error): "secondary ended\(error.map { ": \($0)" } ?? "")"
            case .primaryStarted(let term): "primary started (\(term))"
            case .primaryEnded(let term, let error): "primary ended (\(term))\(error.map { ": \($0)" } ?? "")"
            case .overran(let role): "\(role) still runs after its cancellation"
            }
        }
    }
}
