// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct LatencyHistogramTests {
    @Test(arguments: 1...20)
    func `Quantiles, counts and sums are those of the sorted times, within one percent`(seed: UInt64) throws {
        var random = SplitMix64(seed: seed)
        let times = (0..<Int.random(in: 1...3000, using: &random)).map { _ in
            pow(10, Double.random(in: -6...3, using: &random))
        }
        var (whole, first, second) = (LatencyHistogram(), LatencyHistogram(), LatencyHistogram())
        for time in times {
            whole.record(time)
            if Bool.random(using: &random) { first.record(time) } else { second.record(time) }
        }
        first.merge(second)
        #expect(first.count == whole.count)
        #expect(first.maximum == whole.maximum)

        let sorted = times.sorted()
        #expect(whole.count == times.count)
        #expect(whole.maximum == sorted.last)
        #expect(abs(whole.sum - times.reduce(0, +)) < 1e-6)
        for q in [0, 0.01, 0.5, 0.9, 0.95, 0.99, 0.999, 1] {
            let expected = sorted[max(1, Int((q * Double(sorted.count)).rounded(.up))) - 1]
            let quantile = try #require(whole.quantile(q))
            #expect(abs(quantile - expected) <= expected * 0.01)
            #expect(first.quantile(q) == quantile)
        }
        for bound in [1e-6, 1e-3, 0.1, 3, 1000] {
            let count = whole.count(upTo: bound)
            #expect(count >= sorted.count { $0 <= bound * 0.98 })
            #expect(count <= sorted.count { $0 <= bound * 1.02 })
        }
        #expect(try JSONDecoder().decode(LatencyHistogram.self, from: JSONEncoder().encode(whole)) == whole)
    }

    @Test func `Invalid times are not recorded, and an empty histogram has no quantile`() throws {
        var empty = LatencyHistogram()
        empty.record(.nan)
        empty.record(.infinity)
        #expect(empty == LatencyHistogram())
        #expect(empty.quantile(0.5) == nil)
        #expect(empty.maximum == nil)
        #expect(empty.count(upTo: 9) == 0)
        #expect(try JSONDecoder().decode(LatencyHistogram.self, from: JSONEncoder().encode(empty)) == empty)
    }

    @Test func `Times out of bounds count in the nearest bucket`() {
        var times = LatencyHistogram()
        times.record(-5)
        times.record(0)
        #expect(times.sum == 0)
        #expect(times.quantile(1) == 0)
        times.record(1e300)
        #expect(times.count == 3)
        #expect(times.maximum == 1e300)
        #expect((times.quantile(1) ?? 0) > 990)
        #expect(times.count(upTo: 1e300) == 3)
        times.record(.greatestFiniteMagnitude)
        #expect(times.count == 4)
    }

    @Test(arguments: [
        #"{"sum":1,"maximum":1,"buckets":{"-1":1}}"#, #"{"sum":1,"maximum":1,"buckets":{"1048":1}}"#,
        #"{"sum":1,"maximum":1,"buckets":{"5":0}}"#, #"{"sum":1,"maximum":1,"buckets":{"5":9223372036854775807}}"#,
        #"{"sum":1,"maximum":1,"buckets":{}}"#, #"{"sum":1,"buckets":{"5":1}}"#, #"{"buckets":{}}"#,
    ])
    func `An invalid distribution is not decoded`(json: String) {
        #expect(throws: DecodingError.self) { try JSONDecoder().decode(LatencyHistogram.self, from: Data(json.utf8)) }
    }

    @Test func `A sliding histogram forgets times older than its window`() {
        var sliding = SlidingHistogram(window: .seconds(100))
        for second in 0..<1000 {
            sliding.record(Double(second), at: .seconds(second))
            if second.isMultiple(of: 10) { sliding.recordFailure(at: .seconds(second)) }
            let (times, failures) = sliding.summary(at: .seconds(second))
            #expect(times.maximum == Double(second))
            #expect((min(second + 1, 90)...100).contains(times.count))
            #expect((min(second / 10 + 1, 9)...10).contains(failures))
        }
        #expect(sliding.summary(at: .seconds(1050)).times.count == 40)
        #expect(sliding.summary(at: .seconds(1100)).times.count == 0)
        #expect(sliding.summary(at: .seconds(1100)).failures == 0)
    }
}
