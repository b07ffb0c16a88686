// SPDX-License-Identifier: Apache-2.0

/// A cell of one series in a history.
protocol HistoryCell: Sendable {
    /// The cell of a series without a value.
    static var absent: Self { get }
    /// The values of the cell; nil if it is absent.
    var summary: HistorySummary? { get }
}

/// A single value.
extension Float: HistoryCell {
    static var absent: Float { .nan }
    var summary: HistorySummary? { isNaN ? nil : HistorySummary(Double(self)) }
}

/// The values of a step, in a compact form.
struct CoarseCell: HistoryCell {
    static let absent = CoarseCell(mean: 0, minimum: 0, maximum: 0, count: 0)

    let mean, minimum, maximum, count: Float

    var summary: HistorySummary? {
        guard count > 0 else { return nil }
        return HistorySummary(
            sum: Double(mean) * Double(count),
            count: Double(count),
            minimum: Double(minimum),
            maximum: Double(maximum)
        )
    }
}

extension CoarseCell {
    init(_ summary: HistorySummary) {
        self.init(
            mean: Float(summary.mean),
            minimum: Float(summary.minimum),
            maximum: Float(summary.maximum),
            count: Float(summary.count)
        )
    }
}

/// A summary of values for charts.
struct HistorySummary: Sendable {
    var sum, count, minimum, maximum: Double

    /// The mean, clamped because of rounding.
    var mean: Double { min(max(sum / count, minimum), maximum) }

    mutating func merge(_ other: HistorySummary) {
        sum += other.sum
        count += other.count
        minimum = min(minimum, other.minimum)
        maximum = max(maximum, other.maximum)
    }
}

extension HistorySummary {
    init(_ value: Double) {
        self.init(sum: value, count: 1, minimum: value, maximum: value)
    }
}

/// Rows in order of time, each with cells for some series.
///
/// The rows are stored in blocks, so that the oldest can be dropped without moving the others, and a series uses space
/// only in blocks in which it has values.
struct HistoryTable<Cell: HistoryCell>: Sendable {
    static var rowsPerBlock: Int { 128 }

    private struct Block {
        /// In seconds since 1970.
        var times: [Double] = []
        /// By series.
        ///
        /// A column that is shorter than the times has no values in the last rows.
        var columns: [Int: [Cell]] = [:]
    }

    private var blocks: [Block] = []

    /// The number of rows.
    var rowCount: Int { blocks.reduce(0) { $0 + $1.times.count } }
    /// The number of stored cells.
    var cellCount: Int { blocks.reduce(0) { $0 + $1.columns.values.reduce(0) { $0 + $1.count } } }
    /// The time of the first row.
    var oldest: Double? { blocks.first?.times.first }
    /// The series with values.
    var series: Set<Int> { blocks.reduce(into: []) { $0.formUnion($1.columns.keys) } }

    /// Adds a row.
    ///
    /// Its time must not be before that of the last row.
    mutating func append(_ cells: some Sequence<(series: Int, cell: Cell)>, at time: Double) {
        if blocks.last.map({ $0.times.count >= Self.rowsPerBlock }) ?? true { blocks.append(Block()) }
        let block = blocks.count - 1
        let row = blocks[block].times.count
        blocks[block].times.append(time)
        for (series, cell) in cells {
            blocks[block].columns[series, default: []].append(cell, at: row)
        }
    }

    /// Drops whole blocks: those entirely before a time, and the oldest if there are too many rows.
    ///
    /// Returns the time of the newest dropped row; nil if none was dropped.
    mutating func drop(before time: Double, maximumRows: Int) -> Double? {
        var dropped: Double?
        while let first = blocks.first, let newest = first.times.last,
            newest < time || rowCount - first.times.count >= maximumRows
        {
            dropped = newest
            blocks.removeFirst()
        }
        return dropped
    }

    /// Drops the rows that are newer than this time.
    mutating func drop(after time: Double) {
        while let newest = blocks.last?.times.last, newest > time {
            let last = blocks.count - 1
            let kept = blocks[last].times.prefix { $0 <= time }.count
            if kept == 0 {
                blocks.removeLast()
            } else {
                blocks[last].times.removeSubrange(kept...)
                blocks[last].columns = blocks[last].columns.mapValues { Array($0.prefix(kept)) }
            }
        }
    }

    /// Calls a closure with each value of a series in a range of times.
    func forEach(of series: Int, from: Double, to: Double, _ body: (Double, HistorySummary) -> Void) {
        for block in blocks {
            guard let first = block.times.first, let last = block.times.last, first <= to, last >= from else {
                continue
            }
            for (time, cell) in zip(block.times, block.columns[series] ?? []) where time >= from && time <= to {
                if let summary = cell.summary { body(time, summary) }
            }
        }
    }
}

extension Array where Element: HistoryCell {
    /// Appends a cell for a row, with absent cells for the rows before it.
    fileprivate mutating func append(_ cell: Element, at row: Int) {
        if isEmpty { reserveCapacity(HistoryTable<Element>.rowsPerBlock) }
        while count < row { append(.absent) }
        append(cell)
    }
}
