// SPDX-License-Identifier: Apache-2.0

/// How a discovery treats instances: protection from mass losses, and checks.
public struct DiscoveryOptions: Sendable {
    /// When instances that vanish together are kept; nil to remove each instance at once.
    public var massLoss: MassLossProtection? = MassLossProtection()
    /// How to check the instances from this process; nil to trust their own status.
    ///
    /// Only this process knows the results.
    public var check: HealthCheck?
    /// How long a start waits for etcd before it goes on without instances; `.zero` starts at once.
    ///
    /// The instances come by themselves when etcd is reached; see ``ServiceDiscovery/isStale``.
    public var initialWait = Duration.seconds(5)

    /// Makes options that protect from mass losses, and check nothing.
    public init() {}
}

/// When instances that vanish together are kept, since etcd may have lost them.
///
/// A store that was restored from a backup has lost its newest entries, and a leader that was paused may revoke leases
/// that are alive (etcd-io/etcd#15247). The instances themselves are healthy, and register again. Until then they are kept
/// as suspects. A single instance that crashes is removed at once, and so is an instance that has deregistered.
public struct MassLossProtection: Sendable, Hashable {
    /// The share of the instances that must be missing, from 0 to 1.
    public var share = 0.5
    /// The number of instances that must have vanished, at least.
    public var minimum = 3
    /// The time within which they must have vanished.
    public var window = Duration.seconds(5)
    /// How long a suspect is kept, unless it registers again.
    public var grace = Duration.seconds(30)

    /// Makes the protection that is used by default.
    public init() {}
}
