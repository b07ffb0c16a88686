// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A distribution of times that takes little room however many they are.
///
/// Times between a microsecond and a thousand seconds are told apart as long as they differ by more than two percent;
/// what is beyond counts as the nearest of them.
struct LatencyHistogram: Sendable, Hashable {
    /// A bucket's bounds are in this ratio, so that its middle is at most one percent from each.
    private static let ratio = 1.02
    private static let smallest = 1e-6
    /// The bucket of a thousand seconds.
    private static let lastBucket = 1047

    /// The number of times.
    private(set) var count = 0
    /// The sum of all times, in seconds.
    private(set) var sum = 0.0
    /// The longest time, in seconds; nil without a time.
    private(set) var maximum: Double?
    /// How many times each bucket has; only of those that have any.
    private var buckets: [Int: Int] = [:]

    /// Makes a distribution of no times.
    init() {}

    /// Adds a time.
    ///
    /// - Parameter seconds: The time in seconds; one that is negative counts as 0, and one that is no number not at all.
    mutating func record(_ seconds: Double) {
        guard seconds.isFinite else { return }
        let seconds = max(0, seconds)
        count += 1
        sum += seconds
        maximum = max(maximum ?? 0, seconds)
        buckets[Self.bucket(seconds), default: 0] += 1
    }

    /// Adds all times of another distribution.
    ///
    /// - Parameter other: The other distribution.
    mutating func merge(_ other: LatencyHistogram) {
        count += other.count
        sum += other.sum
        if let theirs = other.maximum { maximum = max(maximum ?? 0, theirs) }
        buckets.merge(other.buckets, uniquingKeysWith: +)
    }

    /// The time that this share of all times does not exceed.
    ///
    /// - Parameter q: The share, from 0 to 1.
    /// - Returns: The time in seconds, within one percent; nil without a time.
    func quantile(_ q: Double) -> Double? {
        guard let maximum, !q.isNaN else { return nil }
        let rank = max(1, (min(max(q, 0), 1) * Double(count)).rounded(.up))
        var seen = 0
        for (bucket, count) in buckets.sorted(by: { $0.key < $1.key }) {
            seen += count
            if Double(seen) >= rank { return min(Self.middle(bucket), maximum) }
        }
        return maximum
    }

    /// Counts the times that do not exceed a bound.
    ///
    /// - Parameter bound: The bound in seconds, within one percent.
    /// - Returns: The number of times.
    func count(upTo bound: Double) -> Int {
        if let maximum, bound >= maximum { return count }
        return buckets.reduce(0) { $0 + (Self.middle($1.key) <= bound ? $1.value : 0) }
    }

    private static func bucket(_ seconds: Double) -> Int {
        guard seconds > smallest else { return 0 }
        return Int(min((log(seconds / smallest) / log(ratio)).rounded(.up), Double(lastBucket)))
    }

    private static func middle(_ bucket: Int) -> Double {
        smallest * pow(ratio, Double(bucket)) * 2 / (1 + ratio)
    }
}

extension LatencyHistogram: Codable {
    private enum CodingKeys: String, CodingKey {
        case sum, maximum, buckets
    }

    /// Reads a distribution.
    ///
    /// - Parameter decoder: Where it is read from.
    /// - Throws: `DecodingError`, also if there is no such distribution.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        sum = try container.decode(Double.self, forKey: .sum)
        maximum = try container.decodeIfPresent(Double.self, forKey: .maximum)
        buckets = try container.decode([Int: Int].self, forKey: .buckets)
        // Two distributions of this size can be merged, and so can many.
        let limit = 1 << 48
        for (bucket, number) in buckets {
            guard (0...Self.lastBucket).contains(bucket), (1...limit).contains(number), count <= limit else {
                let message = "bucket \(bucket) cannot have \(number) times"
                throw DecodingError.dataCorruptedError(forKey: .buckets, in: container, debugDescription: message)
            }
            count += number
        }
        guard (maximum == nil) == (count == 0) else {
            let message = "a maximum belongs to times"
            throw DecodingError.dataCorruptedError(forKey: .maximum, in: container, debugDescription: message)
        }
    }

    /// Writes the distribution.
    ///
    /// - Parameter encoder: Where it is written to.
    /// - Throws: Any error of the encoder.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(sum, forKey: .sum)
        try container.encodeIfPresent(maximum, forKey: .maximum)
        try container.encode(buckets, forKey: .buckets)
    }
}
