// SPDX-License-Identifier: Apache-2.0

/// Which endpoint a call goes to.
///
/// With either policy, an endpoint that stalls, has no leader, cannot be reached or belongs to another cluster is
/// avoided until it is healthy again.
public enum FailoverPolicy: Sendable, Hashable {
    /// Connects to all endpoints, and spreads calls, watches and leases over them in turn.
    case roundRobin
    /// Connects to one endpoint, and stays with it while it is healthy.
    case sticky
}
