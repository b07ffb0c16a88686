// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A distribution of times in constant space.
///
/// Times between a microsecond and a thousand seconds are distinguished if they differ by more than two percent. Times
/// outside this range are clamped.
struct LatencyHistogram: Sendable, Hashable {
    /// The ratio of a bucket's bounds.
    ///
    /// Its middle is at most one percent from each.
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
    /// The number of times in each non-empty bucket.
    private var buckets: [Int: Int] = [:]

    /// Makes an empty distribution.
    init() {}

    /// Adds a time.
    ///
    /// - Parameter seconds: The time in seconds; a negative time counts as 0, and a NaN is ignored.
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

    /// A quantile of the times.
    ///
    /// - Parameter q: The share of the times, from 0 to 1.
    /// - Returns: The time in seconds, accurate to one percent; nil without a time.
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

    /// Counts the times up to a bound.
    ///
    /// - Parameter bound: The bound in seconds, accurate to one percent.
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

    /// Decodes a distribution.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: `DecodingError`, also for an impossible distribution.
    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        sum = try container.decode(Double.self, forKey: .sum)
        maximum = try container.decodeIfPresent(Double.self, forKey: .maximum)
        buckets = try container.decode([Int: Int].self, forKey: .buckets)
        // Many distributions of this size can be merged without an overflow.
        let limit = 1 << 48
        for (bucket, number) in buckets {
            guard (0...Self.lastBucket).contains(bucket), (1...limit).contains(number), count <= limit else {
                let message = "bucket \(bucket) cannot have \(number) times"
                throw DecodingError.dataCorruptedError(forKey: .buckets, in: container, debugDescription: message)
            }
            count += number
        }
        guard (maximum == nil) == (count == 0) else {
            let message = "there is a maximum without times"
            throw DecodingError.dataCorruptedError(forKey: .maximum, in: container, debugDescription: message)
        }
    }

    /// Encodes the distribution.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(sum, forKey: .sum)
        try container.encodeIfPresent(maximum, forKey: .maximum)
        try container.encode(buckets, forKey: .buckets)
    }
}
