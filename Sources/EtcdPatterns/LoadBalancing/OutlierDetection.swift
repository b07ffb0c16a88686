// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// When an instance that fails is ejected, that is, gets no requests for a while, and how it comes back.
///
/// An ejection is longer each time. After it, the instance gets one request at a time, until enough of them in a row have
/// succeeded; when one fails, it is ejected again.
///
/// An ejection moves the load to others. So there is a limit to the share of instances that are ejected, one at least is
/// always kept, and when too few are healthy, the failures are not the instances' own, or the rest could not bear the load:
/// then all are used ("panic mode").
public struct OutlierDetection: Sendable, Hashable {
    /// After so many failures in a row an instance is ejected, at least 1.
    public var consecutiveFailures = 5
    /// An instance is ejected when its success rate is lower by more than this than that of the others together.
    ///
    /// From 0 to 1; nil if the success rate does not matter.
    public var successRateMargin: Double? = 0.3
    /// How many answers a success rate must stand on, at least 1.
    public var minimumVolume = 20
    /// The success rate is that of the last one to two intervals.
    ///
    /// For each interval without an ejection, the next one is shorter again.
    public var interval = Duration.seconds(10)
    /// How long the first ejection lasts; the second, twice as long, and so on.
    public var baseEjection = Duration.seconds(30)
    /// The longest ejection.
    public var maximumEjection = Duration.seconds(300)
    /// Which part is added to an ejection by chance, from 0 to 1, so that clients do not all return at once.
    public var jitter = 0.1
    /// Which share of the instances may be ejected at once, from 0 to 1; one is always kept.
    public var maximumEjectedShare = 0.5
    /// When a smaller share of the instances than this is healthy, all are used; 0 for never.
    public var panicThreshold = 0.5
    /// How many requests in a row must succeed after an ejection, at least 1.
    public var probes = 3

    /// Makes the defaults: five failures in a row, thirty seconds, half of the instances.
    public init() {}

    /// The time of the `number`th ejection in a short time, for a chance from 0 to 1.
    func ejection(_ number: Int, chance: Double) -> Duration {
        let (base, maximum) = (baseEjection.bounded, maximumEjection.bounded)
        // Compared first, since a product can be too long for a duration.
        let time = base > maximum / max(1, number) ? maximum : base * max(1, number)
        return time * (1 + min(max(0, jitter), 1) * chance)
    }

    /// How many of `count` instances may be out of service.
    func limit(of count: Int) -> Int {
        // In this order of arguments, "not a number" gives 0.
        max(0, min(Int(Double(count) * min(max(0, maximumEjectedShare), 1)), count - 1))
    }
}
