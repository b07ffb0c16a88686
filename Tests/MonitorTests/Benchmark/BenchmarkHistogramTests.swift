// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct BenchmarkHistogramTests {
    /// Times from a nanosecond to half an hour, spread over all powers of two.
    private static let samples: [UInt64] = {
        var random = SplitMix64(seed: 7)
        return (0..<20_000).map { _ in
            UInt64.random(in: 0...(1 << UInt64.random(in: 0...40, using: &random)), using: &random)
        }
    }()

    private static func histogram(_ times: some Sequence<UInt64>) -> BenchmarkHistogram {
        var histogram = BenchmarkHistogram()
        for time in times { histogram.record(nanoseconds: time) }
        return histogram
    }

    @Test(arguments: [0, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999, 1])
    func `A quantile is within one part in 256 of the exact one`(share: Double) throws {
        let sorted = Self.samples.sorted()
        let exact = Double(sorted[max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1)])
        let quantile = Double(Self.histogram(Self.samples).quantile(share).nanoseconds)
        #expect(abs(quantile - exact) <= exact / 256 + 0.5, "\(quantile), exactly \(exact)")
    }

    @Test func `Count, mean, extremes and standard deviation are those of the times`() throws {
        let histogram = Self.histogram(Self.samples)
        let mean = Self.samples.reduce(0) { $0 + Double($1) } / Double(Self.samples.count)
        let squares = Self.samples.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) }
        let deviation = (squares / Double(Self.samples.count)).squareRoot()
        #expect(histogram.count == Self.samples.count)
        #expect(abs(Double(histogram.mean.nanoseconds) / mean - 1) < 1e-6)
        #expect(histogram.minimum.nanoseconds == Self.samples.min())
        #expect(histogram.maximum.nanoseconds == Self.samples.max())
        #expect(abs(Double(histogram.standardDeviation.nanoseconds) / deviation - 1) < 0.005)
        #expect(histogram.buckets.reduce(0) { $0 + $1.count } == histogram.count)
        for (bucket, next) in zip(histogram.buckets, histogram.buckets.dropFirst()) {
            #expect(bucket.lowerBound < bucket.upperBound && bucket.upperBound <= next.lowerBound)
        }
    }

    @Test func `Histograms that are merged are one of all times`() {
        var merged = Self.histogram(Self.samples.prefix(5000))
        merged.merge(Self.histogram(Self.samples.dropFirst(5000)))
        let whole = Self.histogram(Self.samples)
        #expect(merged.buckets == whole.buckets && merged.minimum == whole.minimum && merged.maximum == whole.maximum)
        #expect(merged.count == whole.count && abs(merged.mean / whole.mean - 1) < 1e-9)
        merged.removeAll()
        #expect(merged == BenchmarkHistogram())
    }

    @Test func `Without times all figures are zero`() {
        let empty = BenchmarkHistogram()
        #expect(empty.quantile(0.5) == .zero && empty.mean == .zero && empty.standardDeviation == .zero)
        #expect(empty.minimum == .zero && empty.maximum == .zero && empty.buckets.isEmpty)
    }

    @Test func `Times below zero and beyond an hour are recorded too`() {
        var histogram = BenchmarkHistogram()
        histogram.record(.seconds(-1))
        histogram.record(.seconds(1e12))
        histogram.record(nanoseconds: .max)
        #expect(histogram.count == 3 && histogram.minimum == .zero)
        #expect(histogram.buckets.last?.count == 2)
        #expect(histogram.quantile(.nan) == .zero && histogram.quantile(-1) == .zero)
        #expect(histogram.quantile(2) > .seconds(3500))
    }

    // MARK: JSON

    @Test func `JSON gives the same histogram back`() throws {
        for histogram in [Self.histogram(Self.samples), BenchmarkHistogram(), Self.histogram([0])] {
            let data = try JSONEncoder().encode(histogram)
            #expect(try JSONDecoder().decode(BenchmarkHistogram.self, from: data) == histogram)
        }
    }

    @Test(arguments: [
        #"{"buckets": [[1]]}"#,
        #"{"buckets": [[1, 2, 3]]}"#,
        #"{"buckets": [[18446744073709551615, 1]], "sum_ns": 1, "min_ns": 1, "max_ns": 1}"#,
        #"{"buckets": [[1, -1]], "sum_ns": 1, "min_ns": 1, "max_ns": 1}"#,
        #"{"buckets": [[1, 9223372036854775807], [2, 9223372036854775807]], "sum_ns": 1, "min_ns": 1, "max_ns": 1}"#,
        #"{"buckets": [[1, 1]], "sum_ns": 1, "min_ns": 2, "max_ns": 1}"#,
        #"{"buckets": [[1, 1]]}"#,
    ])
    func `JSON that is not a histogram is refused`(text: String) {
        #expect(throws: DecodingError.self) {
            try JSONDecoder().decode(BenchmarkHistogram.self, from: Data(text.utf8))
        }
    }

    @Test func `A sum that cannot be right gives a mean within the extremes`() throws {
        let text = #"{"buckets": [[8, 2]], "sum_ns": 1e300, "min_ns": 8, "max_ns": 9}"#
        let histogram = try JSONDecoder().decode(BenchmarkHistogram.self, from: Data(text.utf8))
        #expect(histogram.mean == .nanoseconds(9) && histogram.standardDeviation <= .nanoseconds(2))
    }
}
