// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.unit, .timeLimit(.minutes(2))) struct MetricsHistoryTests {
    private func date(_ seconds: Double) -> Date { Date(timeIntervalSince1970: seconds) }

    private func options(full: Int = 3600, step: Int = 60, coarse: Int = 7 * 86_400, series: Int = 200)
        -> MetricsHistory.Options
    {
        var options = MetricsHistory.Options()
        options.fullResolution = .seconds(full)
        options.coarseStep = .seconds(step)
        options.coarseResolution = .seconds(coarse)
        options.maximumSeries = series
        return options
    }

    /// The points of a history, made the simple way.
    private func model(_ samples: [(time: Double, value: Double)], step: Double) -> [MetricsHistory.Point] {
        Dictionary(grouping: samples) { ($0.time / step).rounded(.down) * step }.sorted { $0.key < $1.key }.map {
            start,
            group in
            let values = group.map(\.value)
            return MetricsHistory.Point(
                time: date(start),
                mean: values.reduce(0, +) / Double(values.count),
                minimum: values.min() ?? 0,
                maximum: values.max() ?? 0
            )
        }
    }

    @Test func `Full resolution gives back each value`() {
        var history = MetricsHistory()
        for second in 0..<300 { history.add(["a": Double(second), "b": 1], at: date(Double(second) + 1000.5)) }
        #expect(history.names == ["a", "b"])
        let points = history.points(of: "a", from: date(1000), to: date(2000), step: .seconds(1))
        #expect(points.map(\.mean) == (0..<300).map(Double.init))
        #expect(points.first?.time == date(1000))
        #expect(history.points(of: "a", from: date(1010.5), to: date(1012.5), step: .zero).map(\.mean) == [10, 11, 12])
        #expect(history.points(of: "c", from: date(0), to: date(2000), step: .seconds(1)).isEmpty)
        #expect(history.points(of: "a", from: date(2000), to: date(1000), step: .seconds(1)).isEmpty)
    }

    @Test(arguments: 1...8)
    func `Points agree with a simple model in minutes and in hours`(seed: UInt64) {
        var random = SplitMix64(seed: seed)
        var history = MetricsHistory(options(full: 600))
        var samples: [(time: Double, value: Double)] = []
        var time = 1_790_000_000 + Double.random(in: 0..<60, using: &random)
        for _ in 0..<3000 {
            time += Double.random(in: 0.1...15, using: &random)
            let value = Double(Int.random(in: -1000...1000, using: &random))
            // Now and then the series has no value.
            let isThere = Int.random(in: 0..<10, using: &random) > 0
            if isThere { samples.append((time, value)) }
            history.add(isThere ? ["a": value, "b": 0] : ["b": 0], at: date(time))
        }
        for step in [60, 120, 3600] {
            let points = history.points(of: "a", from: date(0), to: date(time), step: .seconds(step))
            let expected = model(samples, step: Double(step))
            #expect(points.map(\.time) == expected.map(\.time))
            for (point, expected) in zip(points, expected) {
                #expect(point.minimum == expected.minimum)
                #expect(point.maximum == expected.maximum)
                #expect(abs(point.mean - expected.mean) < 0.001)
                #expect(point.minimum <= point.mean && point.mean <= point.maximum)
            }
        }
    }

    @Test func `Values older than the full resolution are kept by the minute, and then deleted`() {
        var history = MetricsHistory(options(full: 600, coarse: 86_400))
        for second in 0..<200_000 where second.isMultiple(of: 5) {
            history.add(["a": Double(second)], at: date(Double(second)))
        }
        let all = history.points(of: "a", from: date(0), to: date(200_000), step: .seconds(20))
        let times = all.map(\.time.timeIntervalSince1970)
        let gaps = zip(times, times.dropFirst()).map { $1 - $0 }
        #expect(Set(gaps) == [20, 60])
        #expect(gaps == gaps.sorted(by: >))
        let fine = gaps.count { $0 == 20 }
        #expect((30...70).contains(fine), "\(fine)")
        let oldest = all.first?.time.timeIntervalSince1970 ?? 0
        #expect(oldest >= 200_000 - 86_400 - 120)
        #expect(oldest <= 200_000 - 86_400 + 60)
        // The minutes count each value exactly once.
        let minutes = history.points(of: "a", from: date(oldest), to: date(200_000), step: .seconds(60))
        #expect(minutes.dropLast().allSatisfy { $0.mean == $0.time.timeIntervalSince1970 + 27.5 })
    }

    @Test func `Weeks take no more memory than the options say`() {
        var history = MetricsHistory(options(full: 600, coarse: 2 * 86_400, series: 20))
        var most = 0
        for tick in 0..<60_000 {
            // One poll in half a minute, three weeks long, with series that come and go.
            let time = Double(tick) * 30
            var values = Dictionary(uniqueKeysWithValues: (0..<10).map { ("steady\($0)", Double(tick)) })
            values["day\(tick / 2880)"] = 1
            history.add(values, at: date(time))
            most = max(most, history.cellCount)
            #expect(history.droppedSeries == 0)
        }
        #expect(most <= 11 * (20 + 128 + 2 * 1440 + 128 + 1) + 4 * 128)
        #expect(history.names.count <= 10 + 4)
        #expect(history.names.contains("day20"))
        #expect(!history.names.contains("day10"))
    }

    @Test func `Memory is bounded although polls come too often`() {
        var history = MetricsHistory(options(full: 600))
        for tick in 0..<20_000 { history.add(["a": 1], at: date(1000 + Double(tick) / 100)) }
        #expect(history.cellCount <= 600 + 128 + 10)
        let points = history.points(of: "a", from: date(0), to: date(2000), step: .seconds(60))
        #expect(points.map(\.time) == [960, 1020, 1080, 1140].map(date))
    }

    @Test func `Names beyond the limit are not kept, and are counted`() {
        var history = MetricsHistory(options(series: 2))
        history.add(["a": 1, "b": 2], at: date(1))
        #expect(history.droppedSeries == 0)
        history.add(["a": 1, "b": 2, "c": 3, "d": 4], at: date(2))
        #expect(history.droppedSeries == 2)
        #expect(history.names == ["a", "b"])
        history.add(["a": 1], at: date(3))
        #expect(history.droppedSeries == 0)
    }

    @Test func `A query never has more than 11,000 points`() {
        var history = MetricsHistory(options(full: 40_000, coarse: 40_000))
        for second in 0..<30_000 { history.add(["a": Double(second)], at: date(Double(second))) }
        let points = history.points(of: "a", from: .distantPast, to: .distantFuture, step: .milliseconds(1))
        #expect((5000...11_000).contains(points.count))
        #expect(points.map(\.minimum).min() == 0)
        #expect(points.map(\.maximum).max() == 29_999)
    }

    @Test func `Invalid values and times are left out`() {
        var history = MetricsHistory()
        history.add(["a": .nan, "b": .infinity, "c": 1e300, "d": 1], at: date(1))
        history.add(["d": 2], at: date(.nan))
        history.add(["d": 3], at: date(.infinity))
        #expect(history.names == ["d"])
        #expect(history.points(of: "d", from: date(0), to: date(9), step: .seconds(1)).map(\.mean) == [1])
    }

    @Test func `A clock that jumps back does not damage the history`() {
        var history = MetricsHistory()
        for second in 0..<200 { history.add(["a": 1], at: date(10_000 + Double(second))) }
        // For a moment the clock is wrong.
        for second in 0..<50 { history.add(["a": 2], at: date(5000 + Double(second))) }
        history.add(["a": 3], at: date(10_200))
        var points = history.points(of: "a", from: date(0), to: date(20_000), step: .seconds(1))
        #expect(points.map(\.mean) == [Double](repeating: 1, count: 200) + [3])

        // The clock stays back: its earlier time was wrong.
        for second in 0..<300 { history.add(["a": 4], at: date(10_100 + Double(second))) }
        points = history.points(of: "a", from: date(0), to: date(20_000), step: .seconds(1))
        #expect(points.map(\.time) == points.map(\.time).sorted())
        #expect(points.last?.time == date(10_399))
        #expect(points.last?.mean == 4)
        #expect(points.first?.time == date(10_000))
        #expect(!points.contains { $0.mean == 2 })
    }

    @Test func `A clock that was years ahead does not block later values`() {
        var history = MetricsHistory(options(full: 120, coarse: 86_400))
        for minute in 0..<2000 { history.add(["a": 1], at: date(4e9 + Double(minute) * 60)) }
        for second in 0..<300 { history.add(["a": 2], at: date(1e9 + Double(second))) }
        var points = history.points(of: "a", from: date(0), to: date(5e9), step: .seconds(1))
        #expect(points.allSatisfy { $0.mean == 2 })
        #expect(points.last?.time == date(1e9 + 299))
        #expect(points.count > 100)

        // From now on, minutes are added and deleted as usual.
        for minute in 0..<4000 { history.add(["a": 3], at: date(1e9 + Double(minute + 5) * 60)) }
        points = history.points(of: "a", from: date(0), to: date(5e9), step: .seconds(60))
        #expect((1440...1442).contains(points.count))
        #expect(points.allSatisfy { $0.mean == 3 })
        #expect(history.cellCount <= 1440 + 128 + 2 + 128 + 1)
    }
}
