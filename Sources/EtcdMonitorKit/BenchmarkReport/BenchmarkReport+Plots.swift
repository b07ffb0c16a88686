// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The plots of the page. An earlier benchmark is drawn below, in another colour.
extension BenchmarkReport {
    private typealias Format = BenchmarkFormat
    private typealias Interval = BenchmarkResult.Interval

    /// The plots that have figures.
    var plots: [Plot] {
        [latencyOverTime, rateOverTime, distribution, percentilePlot].compactMap(\.self)
    }

    // MARK: Over time

    private var latencyOverTime: Plot? {
        let intervals = Self.shown(of: result).filter { $0.operations > 0 }
        guard !intervals.isEmpty else { return nil }
        let earlier = baseline.map(Self.shown)?.filter { $0.operations > 0 } ?? []
        let values = intervals.flatMap { [$0.p50, $0.p99, $0.maximum] } + earlier.map(\.p99)
        func series(_ name: String, _ style: String, _ of: [Interval], _ time: KeyPath<Interval, Duration>)
            -> Plot.Series
        {
            Plot.Series(name: name, style: style, lines: Self.steps(of) { $0[keyPath: time] / .milliseconds(1) })
        }
        var drawn = [
            series("longest", "s2", intervals, \.maximum), series("99th percentile", "s1", intervals, \.p99),
            series("median", "s0", intervals, \.p50),
        ]
        if !earlier.isEmpty { drawn.insert(series("99th percentile before", "before", earlier, \.p99), at: 0) }
        return Plot(
            title: "Latency over time, in milliseconds",
            x: timeAxis,
            y: PlotAxis(logarithmicOver: values.map { $0 / .milliseconds(1) }),
            xLabel: Self.seconds,
            yLabel: Format.number,
            series: drawn,
            notes: intervals.map { interval in
                let times = [("median", interval.p50), ("99 %", interval.p99), ("longest", interval.maximum)]
                let text = times.map { "\($0): \(Format.milliseconds($1))" }.joined(separator: ", ")
                return Self.note(interval, text)
            }
        )
    }

    private var rateOverTime: Plot? {
        let intervals = Self.shown(of: result)
        guard !intervals.isEmpty else { return nil }
        let earlier = baseline.map(Self.shown) ?? []
        func rate(_ interval: Interval) -> Double { Double(interval.operations) / Self.length(of: interval) }
        func errors(_ interval: Interval) -> Double { Double(interval.errors) / Self.length(of: interval) }
        var drawn = [
            Plot.Series(name: "succeeded", style: "s0", isFilled: true, lines: Self.steps(intervals, rate))
        ]
        if result.errorCount > 0 {
            drawn.append(Plot.Series(name: "failed", style: "s1", lines: Self.steps(intervals, errors)))
        }
        if !earlier.isEmpty {
            drawn.insert(Plot.Series(name: "before", style: "before", lines: Self.steps(earlier, rate)), at: 0)
        }
        return Plot(
            title: "\(result.options.kind.noun.capitalized)s per second",
            x: timeAxis,
            y: PlotAxis(fromZeroTo: (intervals + earlier).map(rate) + intervals.map(errors)),
            xLabel: Self.seconds,
            yLabel: Format.number,
            series: drawn,
            notes: intervals.map { interval in
                let failed = interval.errors > 0 ? ", \(Format.number(errors(interval))) failed" : ""
                return Self.note(interval, "\(Format.number(rate(interval))) per second\(failed)")
            }
        )
    }

    private var timeAxis: PlotAxis {
        let ends = (result.intervals + (baseline?.intervals ?? [])).map { ($0.start + $0.duration) / .seconds(1) }
        return PlotAxis(from: 0, to: min(ends.max() ?? 1, 1e9))
    }

    /// The intervals, except a last one that is too short for a rate or a percentile.
    private static func shown(of result: BenchmarkResult) -> [Interval] {
        guard let first = result.intervals.first, let last = result.intervals.last, result.intervals.count > 1,
            last.duration < first.duration / 4
        else { return result.intervals }
        return result.intervals.dropLast()
    }

    /// A line with one level per interval.
    private static func steps(_ intervals: [Interval], _ value: (Interval) -> Double) -> [[(x: Double, y: Double)]] {
        var lines: [[(x: Double, y: Double)]] = []
        var end: Double?
        for interval in intervals {
            let start = interval.start / .seconds(1)
            let corners = [(x: start, y: value(interval)), (x: start + length(of: interval), y: value(interval))]
            if let end, start - end < 0.001, !lines.isEmpty {
                lines[lines.count - 1] += corners
            } else {
                lines.append(corners)
            }
            end = start + length(of: interval)
        }
        return lines
    }

    private static func length(of interval: Interval) -> Double { max(interval.duration / .seconds(1), 0.001) }

    private static func note(_ interval: Interval, _ text: String) -> (from: Double, to: Double, text: String) {
        let start = interval.start / .seconds(1)
        return (start, start + length(of: interval), "\(seconds(start)): \(text)")
    }

    private static func seconds(_ value: Double) -> String { "\(Format.number(value)) s" }

    // MARK: Latencies

    private var distribution: Plot? {
        let rows = LatencyRows([result.latency] + (baseline.map { [$0.latency] } ?? []), limit: 60).rows
        guard let first = rows.first, let last = rows.last, result.latency.count > 0 else { return nil }
        func share(_ row: LatencyRows.Row, _ index: Int) -> Double {
            let count = index == 0 ? result.latency.count : baseline?.latency.count ?? 0
            return Double(row.counts[index]) / Double(max(count, 1)) * 100
        }
        func line(_ index: Int) -> [[(x: Double, y: Double)]] {
            [rows.flatMap { [(x: $0.lowerBound, y: share($0, index)), (x: $0.upperBound, y: share($0, index))] }]
        }
        var drawn = [Plot.Series(name: "this run", style: "s0", isFilled: true, lines: line(0))]
        if (baseline?.latency.count ?? 0) > 0 {
            drawn.append(Plot.Series(name: "before", style: "before", lines: line(1)))
        }
        return Plot(
            title: "Distribution of the latencies: share of all in per cent, by milliseconds",
            x: PlotAxis(logarithmicOver: [first.lowerBound, last.upperBound], isTight: true),
            y: PlotAxis(fromZeroTo: rows.flatMap { row in row.counts.indices.map { share(row, $0) } }),
            xLabel: Format.number,
            yLabel: { "\(Format.number($0)) %" },
            series: drawn,
            notes: rows.map { row in
                let bounds = "\(Format.number(row.lowerBound)) to \(Format.number(row.upperBound)) ms"
                return (row.lowerBound, row.upperBound, "\(bounds): \(Format.count(row.counts.first ?? 0, "time"))")
            }
        )
    }

    /// The latency that each share of the operations does not exceed, up to the share of a single operation.
    private var percentilePlot: Plot? {
        let all = [result.latency] + (baseline.map { [$0.latency] } ?? [])
        let most = all.map(\.count).max() ?? 0
        guard result.latency.count > 0, most > 1 else { return nil }
        // One operation in this many is slower.
        func curve(_ histogram: BenchmarkHistogram) -> [[(x: Double, y: Double)]] {
            guard histogram.count > 1 else { return [] }
            let end = log10(Double(histogram.count))
            let steps = max(1, Int((end * 20).rounded(.up)))
            let points = (0...steps).map { step in
                let rarity = pow(10, min(Double(step) / 20, end))
                return (x: rarity, y: histogram.quantile(1 - 1 / rarity) / .milliseconds(1))
            }
            return [points.filter { $0.y > 0 }]
        }
        var drawn = [Plot.Series(name: "this run", style: "s0", lines: curve(result.latency))]
        if let baseline, baseline.latency.count > 1 {
            drawn.insert(Plot.Series(name: "before", style: "before", lines: curve(baseline.latency)), at: 0)
        }
        var axis = PlotAxis(logarithmicOver: [1, Double(most)], isTight: true)
        // More marks would not fit on a phone.
        let marks = [2, 10, 100, 1000, 10_000, 100_000, 1e6].filter { $0 <= Double(most) }
        axis = PlotAxis(axis, ticks: marks.suffix(5))
        let times = all.filter { $0.count > 0 }.flatMap { [$0.minimum, $0.maximum] }.map { $0 / .milliseconds(1) }
        return Plot(
            title: "Latency by percentile, in milliseconds by per cent",
            x: axis,
            y: PlotAxis(logarithmicOver: times),
            xLabel: Self.percentile,
            yLabel: Format.number,
            series: drawn
        )
    }

    /// The percentage of operations that are not among the slowest in this many.
    private static func percentile(_ rarity: Double) -> String {
        (100 - 100 / rarity).formatted(
            .number.precision(.fractionLength(0...4)).locale(Locale(identifier: "en_US"))
        )
    }
}
