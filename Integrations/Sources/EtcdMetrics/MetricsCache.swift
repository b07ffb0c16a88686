// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// Metrics by their names and dimensions: each is made once.
final class MetricsCache: Sendable {
    private struct ID: Hashable {
        let name: String
        let values: [String]
    }

    private struct Metrics {
        var counters: [ID: Counter] = [:]
        var meters: [ID: Meter] = [:]
        var timers: [ID: Timer] = [:]
    }

    private let prefix: String
    private let factory: (any MetricsFactory)?
    private let metrics = Mutex(Metrics())

    init(prefix: String, factory: (any MetricsFactory)?) {
        self.prefix = prefix
        self.factory = factory
    }

    func counter(_ name: String, _ dimensions: [(String, String)]) -> Counter {
        metric(\.counters, name, dimensions) { Counter(label: $0, dimensions: dimensions, factory: $1) }
    }

    func meter(_ name: String, _ dimensions: [(String, String)]) -> Meter {
        metric(\.meters, name, dimensions) { Meter(label: $0, dimensions: dimensions, factory: $1) }
    }

    func timer(_ name: String, _ dimensions: [(String, String)]) -> Timer {
        metric(\.timers, name, dimensions) { Timer(label: $0, dimensions: dimensions, factory: $1) }
    }

    /// Destroys and forgets all meters with these dimensions.
    func removeMeters(_ dimensions: [(String, String)]) {
        let values = dimensions.map(\.1)
        let removed = metrics.withLock { metrics in
            let gone = metrics.meters.filter { $0.key.values == values }
            for id in gone.keys { metrics.meters[id] = nil }
            return Array(gone.values)
        }
        for meter in removed { meter.destroy() }
    }

    private func metric<Kind: Sendable>(
        _ kind: WritableKeyPath<Metrics, [ID: Kind]>,
        _ name: String,
        _ dimensions: [(String, String)],
        _ make: (String, any MetricsFactory) -> Kind
    ) -> Kind {
        let id = ID(name: name, values: dimensions.map(\.1))
        return metrics.withLock { metrics in
            if let known = metrics[keyPath: kind][id] { return known }
            let new = make("\(prefix).\(name)", factory ?? MetricsSystem.factory)
            metrics[keyPath: kind][id] = new
            return new
        }
    }
}
