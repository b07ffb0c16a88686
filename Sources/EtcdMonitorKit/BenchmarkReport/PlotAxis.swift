// SPDX-License-Identifier: Apache-2.0

import Foundation

/// The range of an axis of a plot, and its marked values.
struct PlotAxis {
    /// The smallest value.
    let low: Double
    /// The largest value.
    let high: Double
    /// Whether the axis is logarithmic.
    let isLogarithmic: Bool
    /// The marked values.
    let ticks: [Double]

    /// Makes an axis from zero up to some values.
    init(fromZeroTo values: [Double]) {
        let greatest = Self.usable(values).max() ?? 0
        let most = greatest > 0 ? greatest : 1
        let step = Self.round(most / 4)
        let count = max(1, (most / step).rounded(.up))
        (low, high, isLogarithmic) = (0, step * count, false)
        ticks = (0...Int(min(count, 10))).map { Double($0) * step }
    }

    /// Makes an axis between two values.
    ///
    /// The marks are round numbers; the ends need not be.
    init(from low: Double, to high: Double) {
        let step = Self.round(max(high - low, 1e-9) / 5)
        (self.low, self.high, isLogarithmic) = (low, max(high, low + 1e-9), false)
        ticks = (0...10).map { (low / step).rounded(.up) * step + Double($0) * step }.filter { $0 <= high * 1.000_001 }
    }

    /// Makes a logarithmic axis around some positive values.
    init(logarithmicOver values: [Double], isTight: Bool = false) {
        let positive = Self.usable(values).filter { $0 > 0 }
        let (least, greatest) = (positive.min() ?? 0.1, positive.max() ?? 1)
        let decades = Int(log10(least).rounded(.down))...Int(log10(greatest).rounded(.up))
        let marks = decades.flatMap { decade in [1, 2, 5].map { $0 * pow(10, Double(decade)) } }
        low = isTight ? least : marks.last { $0 <= least * 1.000_001 } ?? least
        let end = isTight ? greatest : marks.first { $0 >= greatest * 0.999_999 } ?? greatest
        high = max(end, low * 1.000_1)
        isLogarithmic = true
        let (low, high) = (low, high)
        let inside = marks.filter { $0 >= low * 0.999_999 && $0 <= high * 1.000_001 }
        // If there are many, powers of ten suffice.
        ticks = inside.count <= 8 ? inside : inside.filter { abs(log10($0) - log10($0).rounded()) < 0.001 }
    }

    /// Makes a copy of an axis with other marks.
    init(_ axis: PlotAxis, ticks: [Double]) {
        (low, high, isLogarithmic) = (axis.low, axis.high, axis.isLogarithmic)
        self.ticks = ticks
    }

    /// The position of a value, from 0 at the low end to 1.
    func position(_ value: Double) -> Double {
        let place =
            isLogarithmic
            ? (log10(max(value, low)) - log10(low)) / (log10(high) - log10(low)) : (value - low) / (high - low)
        return place.isNaN ? 0 : min(max(place, 0), 1)
    }

    /// The smallest step with one significant digit, such as 2 or 50, that is not smaller.
    private static func round(_ step: Double) -> Double {
        let decade = pow(10, log10(step).rounded(.down))
        return ([1, 2, 5].first { $0 * decade >= step * 0.999_999 } ?? 10) * decade
    }

    private static func usable(_ values: [Double]) -> [Double] { values.filter { $0.isFinite && abs($0) < 1e15 } }
}
