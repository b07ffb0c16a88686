// SPDX-License-Identifier: Apache-2.0

/// What a ``LoadBalancer`` does besides choosing.
public struct LoadBalancerOptions: Sendable {
    /// When instances that fail are left out; nil for never.
    public var outliers: OutlierDetection? = OutlierDetection()
    /// How often requests may be tried on another instance.
    public var retries = RetryBudget()
    /// Where the caller runs: instances of this zone are preferred.
    ///
    /// When fewer than seven in ten of them are well, a part of the requests goes to the other zones, and when none is, all.
    /// A policy that hashes keys ignores zones, so that a key has the same instance everywhere.
    public var zone: String?
    /// Whether an error that a request throws is a failure of its instance; by default, each is.
    ///
    /// What is thrown because the caller's task was cancelled says nothing of the instance, and is not asked about.
    public var isFailure: @Sendable (any Error) -> Bool = { _ in true }

    /// Makes the defaults.
    public init() {}
}
