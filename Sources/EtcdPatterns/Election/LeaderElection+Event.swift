// SPDX-License-Identifier: Apache-2.0

extension LeaderElection {
    /// Something that happened to a candidate in ``run(_:)``.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// A candidacy has failed for this error, such as ``QueueBlocked``, and is tried again.
        case hindered(any Error)
    }
}
