// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The counters and histograms of one member over the last minutes, corrected for restarts of its process.
///
/// Newer readings are kept more densely: the distance between two readings is at most a tenth of their age, unless they
/// arrived further apart. That suffices for windows of every length, and bounds their number. A counter uses space in a
/// reading only if it has ever grown.
struct CounterLog: Sendable {
    /// The largest number of series.
    ///
    /// An honest page has fewer; the rest is dropped.
    static let maximumSeries = 4096

    /// The times within the window when a restart of the process was seen.
    private(set) var restarts: [Duration] = []

    /// The number of series, and of those that have ever grown.
    private(set) var seriesCount = 0, columnCount = 0

    private struct Series {
        /// The value on the newest page; 0 if it is missing.
        var raw: Double
        /// The value including the counts from before restarts.
        var corrected: Double
        /// The value in all readings without a column for it.
        var initial: Double
        /// Its column in the readings; nil until it grows.
        var column: Int?
        /// The time when it last grew, or was first seen.
        var lastGrowth: Duration
        var lastSeen: Duration
    }

    private struct Reading {
        let uptime: Duration
        /// By column; NaN where the column had no series yet.
        var values: [Double]

        func value(of series: Series) -> Double {
            guard let column = series.column, values.indices.contains(column) else { return series.initial }
            return values[column].isNaN ? series.initial : values[column]
        }
    }

    private let window: Duration
    private var families: [String: [[String: String]: Series]] = [:]
    private var freeColumns: [Int] = []
    private var readings: [Reading] = []
    /// The start time that the process reports, and since when it reports it.
    private var start: (time: Double, since: Duration)?

    /// The time of the newest page.
    var newest: Duration? { readings.last?.uptime }
    /// The number of readings.
    var readingCount: Int { readings.count }

    /// Makes an empty log.
    init(window: Duration) {
        self.window = window.bounded
    }

    /// Adds a page, which must be complete: a missing series counts as gone.
    ///
    /// Of the page, ``MetricsCatalogue/counters`` and ``MetricsCatalogue/histograms`` are kept. A page that is not
    /// newer than the previous one is ignored.
    mutating func add(_ page: Exposition, at uptime: Duration) {
        if let last = readings.last, uptime <= last.uptime { return }
        if isRestart(page, at: uptime) {
            restarts.append(uptime)
            for name in families.keys where !MetricsCatalogue.positions.contains(name) {
                for labels in families[name, default: [:]].keys {
                    families[name]?[labels]?.raw = 0
                    families[name]?[labels]?.lastGrowth = uptime
                }
            }
        }
        if let time = page["process_start_time_seconds"], time != start?.time { start = (time, uptime) }
        for family in Self.samples(of: page) {
            for sample in family { note(sample, at: uptime) }
        }
        forget(page, at: uptime)

        var values = [Double](repeating: .nan, count: columnCount)
        for series in families.values.lazy.flatMap(\.values) {
            if let column = series.column { values[column] = series.corrected }
        }
        readings.append(Reading(uptime: uptime, values: values))
        thinOut(at: uptime)
    }

    // MARK: Answers

    /// The growth of a counter within the window that ends with the newest reading, in all series that pass the filter.
    ///
    /// Nil if the window has fewer than two readings, or if no recent page has the counter.
    func increase(
        of name: String,
        over window: Duration,
        where isIncluded: ([String: String]) -> Bool = { _ in true }
    ) -> (amount: Double, seconds: Double)? {
        guard let (first, last) = ends(of: window), let family = families[name] else { return nil }
        var amount = 0.0
        for (labels, series) in family where isIncluded(labels) {
            amount += last.value(of: series) - first.value(of: series)
        }
        return (amount, (last.uptime - first.uptime) / .seconds(1))
    }

    /// The growth of each series of a counter within the window that ends with the newest reading.
    func increases(of name: String, over window: Duration) -> [(labels: [String: String], amount: Double)] {
        guard let (first, last) = ends(of: window) else { return [] }
        return families[name, default: [:]].map { ($0.key, last.value(of: $0.value) - first.value(of: $0.value)) }
    }

    /// The observations within the window that ends with the newest reading, in all histograms with these labels.
    func histogram(
        _ name: String,
        over window: Duration,
        where labels: [String: String] = [:]
    ) -> HistogramReading? {
        guard let (first, last) = ends(of: window) else { return nil }
        var sums = HistogramSums(name)
        for name in [sums.bucketName, sums.sumName, sums.countName] {
            for (found, series) in families[name, default: [:]]
            where labels.allSatisfy({ found[$0.key] == $0.value }) {
                sums.add(name, found, last.value(of: series) - first.value(of: series))
            }
        }
        return sums.reading
    }

    /// The uptime since which the sum of the series that pass the filter has not grown.
    ///
    /// Nil if it grew at the newest reading, or if the newest page has no such series.
    func flatSince(of name: String, where isIncluded: ([String: String]) -> Bool) -> Duration? {
        guard let now = readings.last?.uptime else { return nil }
        let growth = families[name, default: [:]]
            .filter { isIncluded($0.key) && $0.value.lastSeen == now }
            .map(\.value.lastGrowth).max()
        return growth == now ? nil : growth
    }

    /// The oldest and the newest reading of a window.
    private func ends(of window: Duration) -> (Reading, Reading)? {
        guard
            let last = readings.last,
            let first = readings.first(where: { last.uptime - $0.uptime <= window }),
            first.uptime < last.uptime
        else { return nil }
        return (first, last)
    }

    // MARK: Keeping

    private static func samples(of page: Exposition) -> some Sequence<[Exposition.Sample]> {
        MetricsCatalogue.counters.union(MetricsCatalogue.histograms).lazy.map { page.samples(of: $0) }
    }

    /// Whether the page comes from another process than the previous page.
    ///
    /// The start time of the process is not enough: it is computed from the machine's clock, and moves when the clock
    /// is set. A counter that fell proves another process. If none fell, as with two short-lived processes, it is
    /// another process if it started after the old one was last seen, and has not used more processor time than
    /// possible.
    private func isRestart(_ page: Exposition, at uptime: Duration) -> Bool {
        guard let last = readings.last?.uptime else { return false }
        let newStart = page["process_start_time_seconds"]
        if let newStart, newStart == start?.time { return false }
        let fell = Self.samples(of: page).contains { samples in
            samples.contains { sample in
                guard sample.value >= 0, !MetricsCatalogue.positions.contains(sample.name) else { return false }
                return (families[sample.name]?[sample.labels]?.raw ?? 0) > sample.value
            }
        }
        guard !fell, let newStart, let start else { return fell }
        guard families["process_cpu_seconds_total"]?[[:]] != nil, let used = page["process_cpu_seconds_total"] else {
            return true
        }
        let (seenFor, pause) = ((last - start.since) / .seconds(1), (uptime - last) / .seconds(1))
        return newStart - start.time >= seenFor && used <= pause * 2
    }

    private mutating func note(_ sample: Exposition.Sample, at uptime: Duration) {
        let value = sample.value
        guard value.isFinite, value >= 0 else { return }
        guard var series = families[sample.name]?[sample.labels] else {
            addSeries(sample, at: uptime)
            return
        }
        let isPosition = MetricsCatalogue.positions.contains(sample.name)
        let growth = value >= series.raw ? value - series.raw : isPosition ? 0 : value
        series.raw = isPosition ? max(value, series.raw) : value
        series.lastSeen = uptime
        if growth > 0 {
            series.corrected += growth
            series.lastGrowth = uptime
            if series.column == nil { series.column = takeColumn() }
        }
        families[sample.name]?[sample.labels] = series
    }

    /// A series that appears after the first page has counted from 0, and so has one that has not counted at all.
    private mutating func addSeries(_ sample: Exposition.Sample, at uptime: Duration) {
        if families[sample.name] == nil { families[sample.name] = [:] }
        // Most counters of calls never count; the empty buckets of a histogram are needed.
        let isIdle = sample.value == 0 && !sample.labels.isEmpty && sample.labels["le"] == nil
        guard !isIdle, seriesCount < Self.maximumSeries else { return }
        let isPosition = MetricsCatalogue.positions.contains(sample.name)
        var series = Series(
            raw: sample.value,
            corrected: sample.value,
            initial: readings.isEmpty || isPosition ? sample.value : 0,
            lastGrowth: uptime,
            lastSeen: uptime
        )
        if series.initial != series.corrected { series.column = takeColumn() }
        families[sample.name, default: [:]][sample.labels] = series
        seriesCount += 1
    }

    private mutating func takeColumn() -> Int {
        if let column = freeColumns.popLast() { return column }
        columnCount += 1
        return columnCount - 1
    }

    /// Removes series that no page of the window has, and resets those that the newest page lacks to 0.
    private mutating func forget(_ page: Exposition, at uptime: Duration) {
        restarts.removeAll { uptime - $0 > window }
        for (name, family) in families {
            if family.isEmpty, page.samples(of: name).isEmpty { families[name] = nil }
            for (labels, series) in family where series.lastSeen < uptime {
                families[name]?[labels]?.raw = MetricsCatalogue.positions.contains(name) ? series.raw : 0
                guard uptime - series.lastSeen > window else { continue }
                families[name]?[labels] = nil
                seriesCount -= 1
                if let column = series.column { free(column) }
            }
        }
    }

    private mutating func free(_ column: Int) {
        freeColumns.append(column)
        for index in readings.indices where readings[index].values.indices.contains(column) {
            readings[index].values[column] = .nan
        }
    }

    private mutating func thinOut(at uptime: Duration) {
        readings.removeAll { uptime - $0.uptime > window }
        var index = 1
        while index + 1 < readings.count {
            let gap = readings[index + 1].uptime - readings[index - 1].uptime
            if gap < (uptime - readings[index].uptime) / 10 {
                readings.remove(at: index)
            } else {
                index += 1
            }
        }
    }
}
