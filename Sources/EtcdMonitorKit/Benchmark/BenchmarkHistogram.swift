// SPDX-License-Identifier: Apache-2.0

/// The latencies of operations, counted in buckets whose width grows with the time.
///
/// A quantile has an error of at most 1/256. The memory does not depend on the number of recorded times. Times beyond
/// an hour count as one hour, except for ``maximum`` and ``mean``.
public struct BenchmarkHistogram: Sendable, Hashable {
    /// A range of times that are counted together.
    public struct Bucket: Sendable, Hashable {
        /// The shortest time of the bucket.
        public let lowerBound: Duration
        /// The exclusive upper bound of the bucket.
        public let upperBound: Duration
        /// The number of times in the bucket.
        public let count: Int
    }

    /// The number of buckets per power of two, as a power of two.
    private static let precision = 7
    /// The longest time that has a bucket, in nanoseconds: an hour.
    private static let longest: UInt64 = 3_600_000_000_000

    /// The number of recorded times.
    public private(set) var count = 0
    private var counts = [Int](repeating: 0, count: Self.index(of: Self.longest) + 1)
    /// The sum of all times in nanoseconds; a floating-point number cannot overflow.
    private var sum = 0.0
    private var shortest = UInt64.max
    private var longest: UInt64 = 0

    /// Makes an empty histogram.
    public init() {}

    /// Records one time.
    ///
    /// - Parameter time: The time; a negative time counts as zero.
    public mutating func record(_ time: Duration) { record(nanoseconds: time.nanoseconds) }

    /// Records one time in nanoseconds.
    mutating func record(nanoseconds: UInt64) {
        count &+= 1
        sum += Double(nanoseconds)
        shortest = min(shortest, nanoseconds)
        longest = max(longest, nanoseconds)
        counts[Self.index(of: min(nanoseconds, Self.longest))] &+= 1
    }

    /// Adds the times of another histogram.
    ///
    /// - Parameter other: The other histogram.
    public mutating func merge(_ other: BenchmarkHistogram) {
        count &+= other.count
        sum += other.sum
        shortest = min(shortest, other.shortest)
        longest = max(longest, other.longest)
        for index in counts.indices { counts[index] &+= other.counts[index] }
    }

    /// Removes all times, and keeps the memory.
    mutating func removeAll() {
        count = 0
        sum = 0
        shortest = .max
        longest = 0
        for index in counts.indices { counts[index] = 0 }
    }

    // MARK: Buckets

    /// The bucket of a time: exact below 256 ns, and 128 buckets per power of two above.
    private static func index(of nanoseconds: UInt64) -> Int {
        let shift = max(0, UInt64.bitWidth - 1 - nanoseconds.leadingZeroBitCount - precision)
        return shift << precision + Int(truncatingIfNeeded: nanoseconds >> UInt64(shift))
    }

    /// The smallest time of a bucket, in nanoseconds.
    private static func lowerBound(of index: Int) -> UInt64 {
        let shift = max(0, index >> precision - 1)
        return UInt64(index - shift << precision) << UInt64(shift)
    }

    // MARK: Figures

    /// The time that a share of all times does not exceed; zero if there are none.
    ///
    /// - Parameter share: The share, from 0 to 1.
    /// - Returns: The time.
    public func quantile(_ share: Double) -> Duration {
        guard count > 0, !share.isNaN else { return .zero }
        let rank = max(1, (min(max(share, 0), 1) * Double(count)).rounded(.up))
        var seen = 0
        for (index, count) in counts.enumerated() where count > 0 {
            seen += count
            if Double(seen) >= rank { return Duration(nanoseconds: Self.middle(index, within: shortest...longest)) }
        }
        return maximum
    }

    private static func middle(_ index: Int, within bounds: ClosedRange<UInt64>) -> UInt64 {
        let middle = (lowerBound(of: index) + lowerBound(of: index + 1) - 1) / 2
        return min(max(middle, bounds.lowerBound), bounds.upperBound)
    }

    /// The mean of the times; zero if there are none.
    public var mean: Duration { count == 0 ? .zero : .seconds(exactMean / 1e9) }

    /// The mean in nanoseconds, clamped because a decoded histogram may contain any sum.
    private var exactMean: Double { min(max(sum / Double(count), Double(shortest)), Double(longest)) }

    /// The shortest time; zero if there are none.
    public var minimum: Duration { count == 0 ? .zero : Duration(nanoseconds: shortest) }

    /// The longest time; zero if there are none.
    public var maximum: Duration { Duration(nanoseconds: longest) }

    /// The standard deviation of the times; zero if there are none.
    public var standardDeviation: Duration {
        guard count > 0 else { return .zero }
        let mean = exactMean
        var squares = 0.0
        for (index, count) in counts.enumerated() where count > 0 {
            let distance = Double(Self.middle(index, within: shortest...longest)) - mean
            squares += Double(count) * distance * distance
        }
        return .seconds((squares / Double(count)).squareRoot() / 1e9)
    }

    /// The buckets that are not empty, shortest times first.
    public var buckets: [Bucket] {
        counts.enumerated().filter { $0.element > 0 }.map { index, count in
            Bucket(
                lowerBound: Duration(nanoseconds: Self.lowerBound(of: index)),
                upperBound: Duration(nanoseconds: Self.lowerBound(of: index + 1)),
                count: count
            )
        }
    }
}

/// In JSON, `sum_ns`, `min_ns`, `max_ns`, and `buckets`, a list of pairs of a bucket's shortest time in nanoseconds and
/// its count.
extension BenchmarkHistogram: Codable {
    private enum CodingKeys: String, CodingKey {
        case sum = "sum_ns"
        case shortest = "min_ns"
        case longest = "max_ns"
        case buckets
    }

    /// Decodes a histogram.
    ///
    /// - Parameter decoder: The decoder.
    /// - Throws: `DecodingError`.
    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func check(_ condition: Bool, _ problem: String) throws {
            if !condition {
                throw DecodingError.dataCorruptedError(forKey: .buckets, in: container, debugDescription: problem)
            }
        }
        for pair in try container.decode([[UInt64]].self, forKey: .buckets) {
            try check(pair.count == 2, "a bucket is a pair of a time in nanoseconds and a count")
            let (time, times) = (pair[0], pair[1])
            try check(time <= Self.longest, "a bucket begins at \(time) ns, after an hour")
            let sum = count.addingReportingOverflow(Int(clamping: times))
            try check(!sum.overflow, "there are more times than can be counted")
            count = sum.partialValue
            counts[Self.index(of: time)] += Int(clamping: times)
        }
        guard count > 0 else { return }
        sum = try container.decode(Double.self, forKey: .sum)
        shortest = try container.decode(UInt64.self, forKey: .shortest)
        longest = try container.decode(UInt64.self, forKey: .longest)
        try check(shortest <= longest && sum >= 0, "the shortest time is longer than the longest")
    }

    /// Encodes the histogram.
    ///
    /// - Parameter encoder: The encoder.
    /// - Throws: Any error of the encoder.
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        if count > 0 {
            try container.encode(sum, forKey: .sum)
            try container.encode(shortest, forKey: .shortest)
            try container.encode(longest, forKey: .longest)
        }
        let pairs = counts.enumerated().filter { $0.element > 0 }.map { [Self.lowerBound(of: $0), UInt64($1)] }
        try container.encode(pairs, forKey: .buckets)
    }
}
