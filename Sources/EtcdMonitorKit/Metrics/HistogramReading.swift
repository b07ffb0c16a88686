// SPDX-License-Identifier: Apache-2.0

/// A Prometheus histogram at one moment, or its growth within a window.
struct HistogramReading: Sendable, Hashable {
    /// The number of observations up to a bound.
    struct Bucket: Sendable, Hashable {
        var bound: Double
        var count: Double
    }

    /// The buckets by ascending bounds, with cumulative counts.
    var buckets: [Bucket]
    /// The sum of the observations.
    var sum: Double
    /// The number of observations.
    var count: Double

    /// Makes a reading from buckets by bound, in any order.
    init(_ buckets: [Double: Double], sum: Double, count: Double?) {
        self.buckets = buckets.map { Bucket(bound: $0.key, count: $0.value) }.sorted { $0.bound < $1.bound }
        self.sum = sum
        self.count = count ?? self.buckets.last?.count ?? 0
    }

    /// The quantile of the observations, interpolated within a bucket as Prometheus does.
    ///
    /// Nil if there is no observation, or no bucket with a finite bound.
    func quantile(_ q: Double) -> Double? {
        guard buckets.count >= 2, let last = buckets.last, last.bound == .infinity else { return nil }
        var total = 0.0
        // Buckets are read one after the other while they grow, so a lower one can be ahead of a higher one.
        let counts = buckets.map { bucket in
            total = max(total, bucket.count)
            return total
        }
        guard total > 0, total.isFinite else { return nil }
        let rank = min(max(q, 0), 1) * total
        let index = counts.firstIndex { $0 >= rank } ?? counts.count - 1
        if index == counts.count - 1 { return buckets[index - 1].bound }
        let upper = buckets[index].bound
        guard index > 0 else {
            return upper <= 0 || counts[0] == 0 ? upper : upper * (rank / counts[0])
        }
        let lower = buckets[index - 1].bound
        let inside = counts[index] - counts[index - 1]
        return inside > 0 ? lower + (upper - lower) * ((rank - counts[index - 1]) / inside) : lower
    }
}

extension Exposition {
    /// The sum of the histograms of a family that have all of these labels; nil if there is none.
    func histogram(_ name: String, where labels: [String: String] = [:]) -> HistogramReading? {
        guard let family = families[name] else { return nil }
        var sums = HistogramSums(name)
        for sample in family.samples where labels.allSatisfy({ sample.labels[$0.key] == $0.value }) {
            sums.add(sample.name, sample.labels, sample.value)
        }
        return sums.reading
    }
}

/// Adds up the series of the histograms of one name.
struct HistogramSums {
    /// The names of the three kinds of series.
    let bucketName, sumName, countName: String
    private var buckets: [Double: Double] = [:]
    private var sum = 0.0
    private var count: Double?

    init(_ name: String) {
        (bucketName, sumName, countName) = ("\(name)_bucket", "\(name)_sum", "\(name)_count")
    }

    mutating func add(_ name: String, _ labels: [String: String], _ value: Double) {
        switch name {
        case bucketName:
            guard let label = labels["le"], let bound = Self.bound(label), !bound.isNaN else { return }
            buckets[bound, default: 0] += value
        case sumName: sum += value
        case countName: count = (count ?? 0) + value
        default: break
        }
    }

    /// The sum; nil without a bucket.
    var reading: HistogramReading? {
        buckets.isEmpty ? nil : HistogramReading(buckets, sum: sum, count: count)
    }

    private static func bound(_ label: String) -> Double? {
        ExpositionParser.number(Array(label.utf8)[...])
    }
}
