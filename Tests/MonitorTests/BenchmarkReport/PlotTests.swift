// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("Plot", .unit)
struct PlotTests {
    @Test("rows are few, have equal ratios and no gaps, and cover every time")
    func rows() {
        for times in [[1.0], [0.9, 1.1], [0.02, 5000], [1e-9, 3_600_000], (1...1000).map(Double.init)] {
            var histogram = BenchmarkHistogram()
            for time in times { histogram.record(.milliseconds(time)) }
            var other = BenchmarkHistogram()
            other.record(.milliseconds(2))
            let rows = LatencyRows([histogram, other]).rows
            #expect((1...20).contains(rows.count), "\(times.count)")
            #expect(rows.reduce(0) { $0 + $1.counts[0] } == times.count && rows.reduce(0) { $0 + $1.counts[1] } == 1)
            for (row, next) in zip(rows, rows.dropFirst()) {
                #expect(abs(row.upperBound / next.lowerBound - 1) < 1e-9)
                #expect(abs(row.upperBound / row.lowerBound - next.upperBound / next.lowerBound) < 1e-9)
            }
        }
        #expect(LatencyRows([BenchmarkHistogram()]).rows.isEmpty)
    }

    @Test("each row has the times between its bounds")
    func bounds() throws {
        var histogram = BenchmarkHistogram()
        for time in [1.5, 1.5, 40] { histogram.record(.milliseconds(time)) }
        let rows = LatencyRows([histogram]).rows
        let filled = rows.filter { $0.counts != [0] }
        #expect(filled.map(\.counts) == [[2], [1]])
        for (row, time) in zip(filled, [1.5, 40]) { #expect((row.lowerBound...row.upperBound).contains(time)) }
    }

    @Test("axes have a few round marks, and cover every value")
    func axes() {
        let values: [[Double]] = [
            [], [0], [0.001], [1, 3], [7, 1234], [1e-6, 1e6], [.nan, 5], [.infinity, 5], [-1, 2],
        ]
        for values in values {
            for axis in [
                PlotAxis(fromZeroTo: values), PlotAxis(logarithmicOver: values),
                PlotAxis(logarithmicOver: values, isTight: true), PlotAxis(from: 0, to: values.max() ?? 0),
            ] {
                #expect(axis.ticks.count <= 13, "\(values) \(axis)")
                #expect(axis.ticks.allSatisfy { (0...1).contains(axis.position($0)) })
                for value in values + [0, -1, .nan, .infinity, 1e300] {
                    #expect((0...1).contains(axis.position(value)), "\(values) \(value) \(axis)")
                }
            }
        }
        #expect(PlotAxis(fromZeroTo: [3, 8600]).ticks == [0, 5000, 10_000])
        #expect(PlotAxis(logarithmicOver: [1.5, 30]).ticks == [1, 2, 5, 10, 20, 50])
        #expect(PlotAxis(logarithmicOver: [0.5, 5000]).ticks == [1, 10, 100, 1000])
        #expect(PlotAxis(from: 0, to: 15).ticks == [0, 5, 10, 15])
        let axis = PlotAxis(logarithmicOver: [1, 100])
        #expect([1, 10, 100].map(axis.position) == [0, 0.5, 1])
    }
}
