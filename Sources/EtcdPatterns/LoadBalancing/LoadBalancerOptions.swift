// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The options of a ``LoadBalancer``: outliers, retries, zones, excluded instances.
public struct LoadBalancerOptions: Sendable {
    /// When instances that fail are left out; nil for never.
    public var outliers: OutlierDetection? = OutlierDetection()
    /// How often requests may be tried on another instance.
    public var retries = RetryBudget()
    /// The zone of the caller: instances of this zone are preferred.
    ///
    /// If fewer than seven in ten of them are healthy, a part of the requests goes to the other zones, and if none is, all.
    /// A policy that hashes keys ignores zones, so that a key has the same instance everywhere.
    public var zone: String?
    /// The IDs of instances that get no requests, such as that of the process itself.
    public var excluding: Set<ServiceInstance.ID>
    /// Whether an error of a request is a failure of its instance; by default, each error is.
    ///
    /// It is not called for errors after a cancellation of the caller's task, for which the instance is not responsible.
    public var isFailure: @Sendable (any Error) -> Bool = { _ in true }

    /// Makes options with the defaults for all others.
    ///
    /// - Parameters:
    ///   - zone: The zone of the caller; nil if it does not matter.
    ///   - excluding: The IDs of instances that get no requests.
    public init(zone: String? = nil, excluding: Set<ServiceInstance.ID> = []) {
        self.zone = zone
        self.excluding = excluding
    }

    /// Whether an instance gets no requests; IDs are compared by their bytes.
    func isExcluded(_ instance: ServiceInstance) -> Bool {
        !excluding.isEmpty && excluding.contains { Key($0) == Key(instance.id) }
    }
}
