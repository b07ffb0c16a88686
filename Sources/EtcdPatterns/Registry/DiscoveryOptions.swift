// SPDX-License-Identifier: Apache-2.0

/// What a discovery makes of what it sees.
public struct DiscoveryOptions: Sendable {
    /// When instances that vanish together are kept; nil to believe all that the store says at once.
    public var massLoss: MassLossProtection? = MassLossProtection()
    /// How to check the instances from here; nil to believe what they say of themselves.
    ///
    /// What a check finds is known in this process only.
    public var check: HealthCheck?
    /// How long starting waits for etcd before it goes on without instances; see ``ServiceDiscovery/isStale``.
    ///
    /// The instances come by themselves when etcd is reached. `.zero` starts at once.
    public var initialWait = Duration.seconds(5)

    /// Makes options that protect from mass losses, and check nothing.
    public init() {}
}

/// When instances that vanish together are taken for the victims of etcd, and not for dead.
///
/// A store that was restored from a backup has lost its newest entries, and a leader that stood still may revoke leases
/// that are alive (etcd-io/etcd#15247). The instances themselves are well, and register again. Until then they are kept as
/// suspects. One that crashes is removed at once, and so is one that has deregistered.
public struct MassLossProtection: Sendable, Hashable {
    /// Which share of the instances must be missing.
    public var share = 0.5
    /// How many must have vanished, at least.
    public var minimum = 3
    /// Within which time they must have vanished.
    public var window = Duration.seconds(5)
    /// How long a suspect is kept, unless it registers again.
    public var grace = Duration.seconds(30)

    /// Makes the protection that is used by default.
    public init() {}
}
