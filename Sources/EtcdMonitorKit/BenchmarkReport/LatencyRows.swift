// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The times of one or two histograms in a readable number of rows of equal width on a logarithmic scale.
struct LatencyRows {
    /// A range of times that is shown as one row.
    struct Row {
        /// The shortest time in milliseconds.
        let lowerBound: Double
        /// The longest time in milliseconds.
        let upperBound: Double
        /// The number of times of each histogram in the row.
        var counts: [Int]
    }

    /// The rows, shortest times first; empty without times.
    private(set) var rows: [Row] = []

    /// The resolution, in milliseconds.
    private static let shortest = 0.001

    /// Distributes the times.
    ///
    /// - Parameters:
    ///   - histograms: The histograms.
    ///   - limit: The largest number of rows.
    init(_ histograms: [BenchmarkHistogram], limit: Int = 20) {
        let buckets = histograms.map { $0.buckets.map { (time: Self.middle(of: $0), count: $0.count) } }
        let times = buckets.flatMap { $0.map(\.time) }
        guard let least = times.min(), let greatest = times.max() else { return }
        func row(of time: Double, _ rowsPerDecade: Double) -> Int { Int((log10(time) * rowsPerDecade).rounded(.down)) }
        // The widths are preferred numbers: 40, 20, 10, 5, 2 or 1 rows per decade.
        let widths = [40.0, 20, 10, 5, 2, 1]
        let width = widths.first { row(of: greatest, $0) - row(of: least, $0) < limit } ?? 1
        let first = row(of: least, width)
        rows = (first...row(of: greatest, width)).map { row in
            Row(
                lowerBound: pow(10, Double(row) / width),
                upperBound: pow(10, Double(row + 1) / width),
                counts: histograms.map { _ in 0 }
            )
        }
        for (index, buckets) in buckets.enumerated() {
            for bucket in buckets { rows[row(of: bucket.time, width) - first].counts[index] += bucket.count }
        }
    }

    private static func middle(of bucket: BenchmarkHistogram.Bucket) -> Double {
        max(shortest, (bucket.lowerBound + bucket.upperBound) / 2 / .milliseconds(1))
    }
}
