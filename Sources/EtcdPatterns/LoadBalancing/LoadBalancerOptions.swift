// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The options of a ``LoadBalancer``: outliers, retries, zones, excluded instances.
public struct LoadBalancerOptions: Sendable {
    /// When failing instances are ejected; nil for never.
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

    /// Makes options with the defaults for all properties that are not parameters.
    public init(zone: String? = nil, excluding: Set<ServiceInstance.ID> = []) {
        self.zone = zone
        self.excluding = excluding
    }

    /// Whether an instance gets no requests; IDs are compared by their bytes.
    func isExcluded(_ instance: ServiceInstance) -> Bool {
        !excluding.isEmpty && excluding.contains { Key($0) == Key(instance.id) }
    }
}

/// When an instance that fails is ejected, that is, gets no requests for a while, and how it comes back.
///
/// Each ejection is longer than the one before. After it, the instance gets one request at a time, until enough of them in
/// a row have succeeded. If one fails, the instance is ejected again.
///
/// An ejection moves the load to other instances. So the share of ejected instances is limited, and at least one instance
/// is always kept. If too few are healthy, the cause is probably not the instances, or the rest could not bear the load:
/// then all are used ("panic mode").
public struct OutlierDetection: Sendable, Hashable {
    /// The number of failures in a row after which an instance is ejected, at least 1.
    public var consecutiveFailures = 5
    /// The difference to the success rate of the others together below which an instance is ejected, from 0 to 1.
    ///
    /// nil if the success rate does not matter.
    public var successRateMargin: Double? = 0.3
    /// The number of answers that a success rate needs, at least 1.
    public var minimumVolume = 20
    /// The length of an interval: success rates are those of the last one to two intervals.
    ///
    /// For each interval without an ejection, the next ejection is shorter again.
    public var interval = Duration.seconds(10)
    /// The length of the first ejection; the second is twice as long, and so on.
    public var baseEjection = Duration.seconds(30)
    /// The longest ejection.
    public var maximumEjection = Duration.seconds(300)
    /// The random part that is added to an ejection, from 0 to 1, so that clients do not all return at once.
    public var jitter = 0.1
    /// The share of the instances that may be ejected at once, from 0 to 1; one is always kept.
    public var maximumEjectedShare = 0.5
    /// The share of healthy instances below which all are used; 0 for never.
    public var panicThreshold = 0.5
    /// The number of requests in a row that must succeed after an ejection, at least 1.
    public var probes = 3

    /// Makes the defaults: five failures in a row, thirty seconds, half of the instances.
    public init() {}

    /// The length of the `number`th ejection in a short time, for a random number from 0 to 1.
    func ejection(_ number: Int, chance: Double) -> Duration {
        let (base, maximum) = (baseEjection.bounded, maximumEjection.bounded)
        // Compared first, since a product can be too long for a duration.
        let time = base > maximum / max(1, number) ? maximum : base * max(1, number)
        return time * (1 + min(max(0, jitter), 1) * chance)
    }

    /// The number of `count` instances that may be out of service.
    func limit(of count: Int) -> Int {
        // In this order of arguments, "not a number" gives 0.
        max(0, min(Int(Double(count) * min(max(0, maximumEjectedShare), 1)), count - 1))
    }
}

/// How often requests may be retried: retries help with single failures, and do harm if all requests fail.
public struct RetryBudget: Sendable, Hashable {
    /// The number of retries for each request: 0.2 allows one for five requests.
    public var share: Double
    /// The number of retries that may be saved up; a balancer begins with as many.
    public var reserve: Int
    /// The number of instances that may be tried for one request, at least 1.
    public var maximumAttempts: Int

    /// Makes a budget; the parameters are its properties.
    public init(share: Double = 0.2, reserve: Int = 10, maximumAttempts: Int = 3) {
        self.share = share
        self.reserve = reserve
        self.maximumAttempts = maximumAttempts
    }
}

/// The remaining retries: a token bucket.
struct RetryTokens: Sendable {
    private let budget: RetryBudget
    private var count: Double

    init(_ budget: RetryBudget) {
        self.budget = budget
        count = Double(max(0, budget.reserve))
    }

    var isEmpty: Bool { count < 1 }

    mutating func earn() { count = min(count + max(0, budget.share), Double(max(0, budget.reserve))) }

    mutating func spend() { count -= 1 }
}
