// SPDX-License-Identifier: Apache-2.0

extension HighAvailabilityCoordinator {
    /// What a member can be.
    public enum Role: String, Sendable, Hashable {
        /// The one that leads.
        case primary
        /// One of those that stand by.
        case secondary
    }

    /// Something that happened to a member, in the order in which it happened.
    ///
    /// More kinds may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// The work of a secondary begins.
        case secondaryStarted
        /// The work of a secondary has ended; the error is what it has thrown of its own accord.
        case secondaryEnded((any Error)?)
        /// The work of a primary begins.
        case primaryStarted(LeaderTerm)
        /// The work of a primary has ended; the error is the ``CoordinationLoss`` that has ended its term, with how long the
        /// work went on after that, or what it has thrown of its own accord.
        case primaryEnded(LeaderTerm, (any Error)?)
        /// Work was told to end, has not done so within ``LeaderElection/drainTime``, and still goes on.
        ///
        /// If it is a primary that has lost its lease, another may be primary from now on, whose requests have a higher
        /// token. A secondary keeps its member from being primary, which therefore steps down.
        case overran(Role)
    }
}
