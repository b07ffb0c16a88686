// SPDX-License-Identifier: Apache-2.0

extension LeaderElection {
    /// An event of a candidate in ``run(_:)``.
    ///
    /// More may be added, so a `switch` over events needs a `default`.
    public enum Event: Sendable {
        /// An attempt to lead has failed with this error, such as ``QueueBlocked``, and is repeated.
        case hindered(any Error)
    }
}
