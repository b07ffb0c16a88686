// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdMonitorKit

@Suite(.unit) struct HistogramReadingTests {
    private let reading = HistogramReading([0.1: 10, 0.2: 30, 0.4: 40, .infinity: 50], sum: 9, count: 50)

    @Test(arguments: [
        (0.0, 0.0), (0.1, 0.05), (0.2, 0.1), (0.4, 0.15), (0.6, 0.2), (0.7, 0.3), (0.8, 0.4), (0.9, 0.4), (1.0, 0.4),
        (-1, 0), (2, 0.4),
    ])
    func `A quantile is interpolated within its bucket, and the last bucket has no end`(q: Double, value: Double) throws
    {
        let quantile = try #require(reading.quantile(q))
        #expect(abs(quantile - value) < 1e-9)
    }

    @Test func `Without observations or without a last bucket there is no quantile`() {
        #expect(HistogramReading([0.1: 0, .infinity: 0], sum: 0, count: 0).quantile(0.5) == nil)
        #expect(HistogramReading([0.1: 3, 0.2: 4], sum: 0, count: 4).quantile(0.5) == nil)
        #expect(HistogramReading([.infinity: 4], sum: 0, count: 4).quantile(0.5) == nil)
        #expect(HistogramReading([:], sum: 0, count: nil).quantile(0.5) == nil)
    }

    @Test func `A bucket that is behind a lower one counts as equal to it`() throws {
        let torn = HistogramReading([0.1: 10, 0.2: 8, 0.4: 20, .infinity: 20], sum: 0, count: 20)
        let quantile = try #require(torn.quantile(0.75))
        #expect(abs(quantile - 0.3) < 1e-9)
    }

    @Test func `A first bound that is not positive is the quantile itself`() {
        #expect(HistogramReading([-1: 5, 1: 10, .infinity: 10], sum: 0, count: 10).quantile(0.2) == -1)
    }

    @Test func `The histograms of a page are added up over the other labels`() throws {
        let page = try Exposition(
            parsing: """
                # TYPE h histogram
                h_bucket{to="a",le="1"} 1
                h_bucket{to="a",le="+Inf"} 2
                h_sum{to="a"} 3
                h_count{to="a"} 2
                h_bucket{to="b",le="1.0"} 10
                h_bucket{to="b",le="+Inf"} 20
                h_bucket{to="b",le="wide"} 99
                h_sum{to="b"} 30
                h_count{to="b"} 20
                # TYPE g gauge
                g 1
                """.utf8
        )
        #expect(page.histogram("h") == HistogramReading([1: 11, .infinity: 22], sum: 33, count: 22))
        #expect(
            page.histogram("h", where: ["to": "b"]) == HistogramReading([1: 10, .infinity: 20], sum: 30, count: 20)
        )
        #expect(page.histogram("h", where: ["to": "c"]) == nil)
        #expect(page.histogram("g") == nil)
        #expect(page.histogram("none") == nil)
    }
}
