// SPDX-License-Identifier: Apache-2.0

import EtcdKit
public import Foundation

/// The past figures by name: all values for a while, and then one point per step of some minutes.
///
/// The memory is bounded, by default to about 45 kB per series and 500 series. A series without values in the whole
/// time is removed.
///
/// A point that is older than the newest one is skipped. After a hundred skipped points in a row, the clock must have
/// been ahead before, and the points of that time are dropped.
public struct MetricsHistory: Sendable {
    /// The limits of a history.
    public struct Options: Sendable, Hashable {
        /// How long all points are kept; at most one per second.
        public var fullResolution = Duration.seconds(3600)
        /// The distance of the points after that.
        public var coarseStep = Duration.seconds(300)
        /// How long these points are kept.
        public var coarseResolution = Duration.seconds(7 * 86_400)
        /// The largest number of series; further ones are dropped.
        public var maximumSeries = 500

        /// Makes options with the defaults.
        public init() {}
    }

    /// The values of a step.
    public struct Point: Sendable, Hashable, Codable {
        /// The start of the step.
        public var time: Date
        /// The mean of its values.
        public var mean: Double
        /// The smallest of its values.
        public var minimum: Double
        /// The largest of its values.
        public var maximum: Double

        /// Makes a point.
        ///
        /// - Parameters:
        ///   - time: The start of the step.
        ///   - mean: The mean of its values.
        ///   - minimum: The smallest of its values.
        ///   - maximum: The largest of its values.
        public init(time: Date, mean: Double, minimum: Double, maximum: Double) {
            self.time = time
            self.mean = mean
            self.minimum = minimum
            self.maximum = maximum
        }
    }

    /// The largest number of points of a query.
    static let maximumPoints = 11_000
    private static let skipsBeforeTrust = 100

    /// The number of series of the newest poll that were dropped because there are too many.
    public private(set) var droppedSeries = 0
    /// The names of the series, in alphabetical order.
    public var names: [String] { numbers.keys.sorted() }

    private let fullSeconds, stepSeconds, coarseSeconds: Double
    private let maximumRows, maximumSeries: Int
    private var numbers: [String: Int] = [:]
    private var nextNumber = 0
    private var fine = HistoryTable<Float>()
    private var coarse = HistoryTable<CoarseCell>()
    /// The current step.
    private var step = (start: -Double.infinity, summaries: [Int: HistorySummary]())
    /// The newest row that only the coarse table has; nil if the fine table has all rows.
    private var newestDropped: Double?
    private var newest = -Double.infinity
    private var skips = 0

    /// Makes an empty history.
    ///
    /// - Parameter options: The limits.
    public init(_ options: Options = Options()) {
        stepSeconds = max(1, options.coarseStep.bounded / .seconds(1))
        fullSeconds = max(1, options.fullResolution.bounded / .seconds(1))
        coarseSeconds = max(fullSeconds, options.coarseResolution.bounded / .seconds(1))
        maximumRows = Int(fullSeconds)
        maximumSeries = max(0, options.maximumSeries)
    }

    /// How far back the history goes, in seconds.
    var retentionSeconds: Double { coarseSeconds }
    /// The number of stored values.
    var cellCount: Int { fine.cellCount + coarse.cellCount + step.summaries.count }

    /// Adds the figures of a poll; values that are not finite are left out.
    ///
    /// - Parameters:
    ///   - values: The figures by name.
    ///   - time: The time when they were read.
    public mutating func add(_ values: [String: Double], at time: Date) {
        let time = time.timeIntervalSince1970
        guard time.isFinite, accepts(time) else { return }
        newest = time

        let start = (time / stepSeconds).rounded(.down) * stepSeconds
        if start > step.start { finishStep(next: start) }
        droppedSeries = 0
        var cells: [(series: Int, cell: Float)] = []
        for (name, value) in values {
            let cell = Float(value)
            guard cell.isFinite else { continue }
            guard let number = number(of: name) else {
                droppedSeries += 1
                continue
            }
            cells.append((number, cell))
            if step.summaries[number]?.merge(HistorySummary(value)) == nil {
                step.summaries[number] = HistorySummary(value)
            }
        }
        fine.append(cells, at: time)
        dropOld()
    }

    /// The points of a series, one for each step that has values.
    ///
    /// Steps begin at multiples of their length since 1970. They are longer than requested if there would be more than
    /// 11,000.
    ///
    /// - Parameters:
    ///   - name: The name of the series.
    ///   - from: The time of the oldest value.
    ///   - to: The time of the newest value.
    ///   - step: The length of a step.
    /// - Returns: The points in the order of their times; empty if there is no such series.
    public func points(of name: String, from: Date, to: Date, step: Duration) -> [Point] {
        let (from, to) = (from.timeIntervalSince1970, min(to.timeIntervalSince1970, newest))
        guard let number = numbers[name], from <= to else { return [] }
        let first = [fine.oldest, coarse.oldest, self.step.start].compactMap(\.self).min() ?? newest
        let oldest = max(from, first, newest - coarseSeconds - stepSeconds)
        let step = max(step.bounded / .seconds(1), (to - oldest) / Double(Self.maximumPoints - 2), 0.001)

        var points: [Point] = []
        var merged: (start: Double, summary: HistorySummary)?
        func finish() {
            guard let (start, summary) = merged else { return }
            points.append(
                Point(
                    time: Date(timeIntervalSince1970: start),
                    mean: summary.mean,
                    minimum: summary.minimum,
                    maximum: summary.maximum
                )
            )
        }
        func add(_ time: Double, _ summary: HistorySummary) {
            let start = (time / step).rounded(.down) * step
            if merged?.start == start {
                merged?.summary.merge(summary)
            } else {
                finish()
                merged = (start, summary)
            }
        }
        // If the fine table has lost a part of a step, the whole step is taken from the coarse table.
        let cut = newestDropped.map { (($0 / stepSeconds).rounded(.down) + 1) * stepSeconds } ?? -.infinity
        coarse.forEach(of: number, from: oldest, to: min(to, cut.nextDown), add)
        if let summary = self.step.summaries[number], self.step.start < cut, (oldest...to).contains(self.step.start) {
            add(self.step.start, summary)
        }
        fine.forEach(of: number, from: max(oldest, cut), to: to, add)
        finish()
        return points
    }

    // MARK: Keeping

    private mutating func accepts(_ time: Double) -> Bool {
        guard time < newest else {
            skips = 0
            return true
        }
        skips += 1
        guard skips >= Self.skipsBeforeTrust else { return false }
        skips = 0
        fine.drop(after: time)
        coarse.drop(after: time)
        step = (-.infinity, [:])
        newestDropped = newestDropped.map { min($0, time) }
        return true
    }

    private mutating func number(of name: String) -> Int? {
        if let number = numbers[name] { return number }
        guard numbers.count < maximumSeries else { return nil }
        numbers[name] = nextNumber
        nextNumber += 1
        return nextNumber - 1
    }

    private mutating func finishStep(next start: Double) {
        if !step.summaries.isEmpty {
            coarse.append(step.summaries.map { ($0.key, CoarseCell($0.value)) }, at: step.start)
        }
        step = (start, [:])
    }

    private mutating func dropOld() {
        if let dropped = fine.drop(before: newest - fullSeconds, maximumRows: maximumRows) { newestDropped = dropped }
        guard coarse.drop(before: newest - coarseSeconds, maximumRows: .max) != nil else { return }
        let alive = fine.series.union(coarse.series).union(step.summaries.keys)
        numbers = numbers.filter { alive.contains($0.value) }
    }
}
