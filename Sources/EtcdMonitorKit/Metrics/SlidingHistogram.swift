// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The times and the failures of the last minutes.
///
/// It uses the uptime, and removes a tenth of the window at a time.
struct SlidingHistogram: Sendable {
    private struct Slice {
        let number: Int64
        var times = LatencyHistogram()
        var failures = 0
    }

    private static let sliceCount: Int64 = 10

    private let sliceSeconds: Double
    private var slices: [Slice] = []

    /// Makes an empty histogram that covers between 90 % and 100 % of the window.
    init(window: Duration) {
        sliceSeconds = max(window.bounded / .seconds(1), 0.001) / Double(Self.sliceCount)
    }

    /// Adds a time in seconds.
    mutating func record(_ seconds: Double, at uptime: Duration) {
        withSlice(at: uptime) { $0.times.record(seconds) }
    }

    /// Adds a failure.
    mutating func recordFailure(at uptime: Duration) {
        withSlice(at: uptime) { $0.failures += 1 }
    }

    /// The times and the number of failures within the window that ends now.
    func summary(at uptime: Duration) -> (times: LatencyHistogram, failures: Int) {
        let oldest = number(at: uptime) - Self.sliceCount
        var summary = (times: LatencyHistogram(), failures: 0)
        for slice in slices where slice.number > oldest {
            summary.times.merge(slice.times)
            summary.failures += slice.failures
        }
        return summary
    }

    private mutating func withSlice(at uptime: Duration, _ change: (inout Slice) -> Void) {
        let number = number(at: uptime)
        if slices.last.map({ $0.number < number }) ?? true {
            slices.removeAll { $0.number <= number - Self.sliceCount }
            slices.append(Slice(number: number))
        }
        change(&slices[slices.count - 1])
    }

    private func number(at uptime: Duration) -> Int64 {
        Int64((uptime.bounded / .seconds(1) / sliceSeconds).rounded(.down))
    }
}
