// SPDX-License-Identifier: Apache-2.0

import CoreMetrics
import Synchronization

/// Metrics by their names and dimensions: each is made once.
final class MetricsCache: Sendable {
    private let prefix: String
    private let factory: (any MetricsFactory)?
    private let metrics = Mutex<[ID: Metric]>([:])

    private struct ID: Hashable {
        let name: String
        let values: [String]
    }

    private enum Metric {
        case counter(Counter)
        case meter(Meter)
        case timer(Timer)
    }

    init(prefix: String, factory: (any MetricsFactory)?) {
        self.prefix = prefix
        self.factory = factory
    }

    func counter(_ name: String, _ dimensions: [(String, String)]) -> Counter {
        let make = { (label: String, factory: any MetricsFactory) in
            Counter(label: label, dimensions: dimensions, factory: factory)
        }
        return metric(name, dimensions, make, Metric.counter) {
            if case .counter(let counter) = $0 { counter } else { nil }
        }
    }

    func meter(_ name: String, _ dimensions: [(String, String)]) -> Meter {
        let make = { (label: String, factory: any MetricsFactory) in
            Meter(label: label, dimensions: dimensions, factory: factory)
        }
        return metric(name, dimensions, make, Metric.meter) { if case .meter(let meter) = $0 { meter } else { nil } }
    }

    func timer(_ name: String, _ dimensions: [(String, String)]) -> Timer {
        let make = { (label: String, factory: any MetricsFactory) in
            Timer(label: label, dimensions: dimensions, factory: factory)
        }
        return metric(name, dimensions, make, Metric.timer) { if case .timer(let timer) = $0 { timer } else { nil } }
    }

    private func metric<Kind: Sendable>(
        _ name: String,
        _ dimensions: [(String, String)],
        _ make: (String, any MetricsFactory) -> Kind,
        _ wrap: (Kind) -> Metric,
        _ unwrap: (Metric) -> Kind?
    ) -> Kind {
        metrics.withLock { metrics in
            let id = ID(name: name, values: dimensions.map(\.1))
            if let known = metrics[id].flatMap(unwrap) { return known }
            let new = make("\(prefix).\(name)", factory ?? MetricsSystem.factory)
            metrics[id] = wrap(new)
            return new
        }
    }
}
