// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The counts of a ``LoadBalancer``, for people and dashboards.
public struct LoadBalancerStatistics: Sendable {
    /// The health of an instance, as a balancer sees it.
    ///
    /// More may be added, so a `switch` over it needs a `default`.
    public struct Health: Sendable, Hashable, CustomStringConvertible {
        /// The name of the health, as in the source.
        public let description: String

        /// The instance gets its share.
        public static let healthy = Self(description: "healthy")
        /// The instance fails, but is not ejected, since too many are.
        public static let failing = Self(description: "failing")
        /// The instance gets no requests for a while.
        public static let ejected = Self(description: "ejected")
        /// The instance gets one request at a time, to see whether it has recovered.
        public static let probing = Self(description: "probing")
        /// The instance fails the active checks of the discovery, and gets no requests unless too many do.
        public static let unhealthy = Self(description: "unhealthy")
    }

    /// The counts of one instance.
    public struct Instance: Sendable, Identifiable {
        /// The ID of the instance.
        public var id: String { instance.id }
        /// The instance as it was last known.
        public let instance: ServiceInstance
        /// Whether the instance is gone, with requests still in flight.
        public let isGone: Bool
        /// Requests that have not ended yet.
        public let inFlight: Int
        /// Requests that have succeeded.
        public let successes: Int
        /// Requests that have failed.
        public let failures: Int
        /// The average time of a request, with more weight on the latest; nil before the first answer.
        public let latency: Duration?
        /// Whether it gets requests.
        public let health: Health
    }

    /// The present instances, and those that are gone but have requests in flight.
    public let instances: [Instance]
    /// Whether so few instances are healthy that all are used.
    public let isPanicking: Bool
    /// The number of requests that were tried on another instance.
    public let retries: Int
    /// The number of requests that were not tried again, because the budget was empty.
    public let deniedRetries: Int
}

extension LoadBalancerStatistics.Instance {
    init(_ member: PoolMember) {
        instance = member.instance
        isGone = member.departure != nil
        inFlight = member.inFlight
        successes = member.total.successes
        failures = member.total.failures
        latency = member.latency.seconds.map { .seconds($0) }
        health =
            switch member.health {
            case _ where member.failsChecks: .unhealthy
            case .healthy: .healthy
            case .failing: .failing
            case .ejected: .ejected
            case .probing: .probing
            }
    }
}

extension LoadBalancer {
    /// The counts of the balancer and of each instance.
    public var statistics: LoadBalancerStatistics {
        // A part at a time, so that requests do not wait for the whole.
        let part = 256
        var instances: [LoadBalancerStatistics.Instance] = []
        var start = 0
        while true {
            let statistics = state.withLock { state -> LoadBalancerStatistics? in
                let members = state.pool.members.dropFirst(start)
                for member in members.prefix(part) where member.departure == nil || member.inFlight > 0 {
                    instances.append(LoadBalancerStatistics.Instance(member))
                }
                if members.count > part { return nil }
                return LoadBalancerStatistics(
                    instances: instances,
                    isPanicking: state.pool.isPanicking,
                    retries: state.retries,
                    deniedRetries: state.deniedRetries
                )
            }
            if let statistics { return statistics }
            start += part
        }
    }
}
