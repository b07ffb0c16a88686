// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A cluster as the API sees it: what is known of it now, what comes, and what was.
protocol MonitoredCluster: Sendable {
    /// The name that tells it from the others; it does not change.
    var name: String { get }
    /// The newest snapshot.
    var snapshot: MonitorSnapshot { get }
    /// The snapshots of the polls that finish from now on.
    var snapshots: AsyncStream<MonitorSnapshot> { get }
    /// The polls go on: the last one is not overdue.
    var isLive: Bool { get }
    /// The benchmarks that were asked for through the API.
    var benchmarks: any BenchmarkSource { get }
    /// The names of the metrics in the history.
    var historyMetrics: [String] { get }

    /// The values of one metric in a stretch of time; none if there is no such metric.
    func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point]
}
