// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A cluster as the API sees it: its current state, its new snapshots, and its history.
protocol MonitoredCluster: Sendable {
    /// The name that identifies it; it does not change.
    var name: String { get }
    /// The newest snapshot.
    var snapshot: MonitorSnapshot { get }
    /// The snapshots of future polls.
    var snapshots: AsyncStream<MonitorSnapshot> { get }
    /// Whether the polls continue: the next one is not overdue.
    var isLive: Bool { get }
    /// The benchmarks that were requested through the API.
    var benchmarks: any BenchmarkSource { get }
    /// The names of the metrics in the history.
    var historyMetrics: [String] { get }

    /// The values of a metric in a range of time; empty if the metric does not exist.
    func history(of metric: String, from: Date, to: Date, step: Duration) -> [MetricsHistory.Point]
}
