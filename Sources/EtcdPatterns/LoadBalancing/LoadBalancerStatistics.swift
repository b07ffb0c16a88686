// SPDX-License-Identifier: Apache-2.0

/// What a ``LoadBalancer`` has seen, for people and dashboards.
public struct LoadBalancerStatistics: Sendable {
    /// What a balancer thinks of an instance.
    public enum Health: String, Sendable, Hashable {
        /// It gets its share.
        case healthy
        /// It fails, but is not ejected, since too many are.
        case failing
        /// It gets nothing for a while.
        case ejected
        /// It gets one request at a time, to see whether it is well again.
        case probing
        /// It fails the active checks of the discovery, and gets nothing, unless too many do.
        case unhealthy
    }

    /// What a balancer has seen of one instance.
    public struct Instance: Sendable, Identifiable {
        /// The ID of the instance.
        public var id: String { instance.id }
        /// The instance as it was last known.
        public let instance: ServiceInstance
        /// It is gone, with requests still in flight.
        public let isGone: Bool
        /// Requests that have not ended yet.
        public let inFlight: Int
        /// Requests that the instance has answered as it should.
        public let successes: Int
        /// Requests that it has not.
        public let failures: Int
        /// How long a request takes, with more weight on the latest; nil before the first answer.
        public let latency: Duration?
        /// Whether it gets requests.
        public let health: Health
    }

    /// The instances that are there, and those that are gone but have requests in flight.
    public let instances: [Instance]
    /// So few instances are healthy that all are used.
    public let isPanicking: Bool
    /// How many requests were tried on another instance.
    public let retries: Int
    /// How many were not, for want of a budget.
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
