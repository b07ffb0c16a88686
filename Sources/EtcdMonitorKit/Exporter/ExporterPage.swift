// SPDX-License-Identifier: Apache-2.0

/// The families of a page, in the order of their first sample.
struct ExporterPage {
    private(set) var families: [Exposition.Family] = []
    private var places: [String: Int] = [:]
    private var series: Set<[String: String]> = []

    mutating func add(_ name: String, _ help: String, _ labels: [String: String], _ value: Double?) {
        add(name, .gauge, help, labels, value)
    }

    /// Adds a sample.
    ///
    /// A second sample with the same name and labels is dropped, because scrapers refuse it.
    mutating func add(
        _ name: String,
        _ kind: Exposition.Kind,
        _ help: String,
        _ labels: [String: String],
        _ value: Double?
    ) {
        let name = "etcd_monitor_\(name)"
        guard let value, series.insert(labels.with("__name__", name)).inserted else { return }
        let place = places[name] ?? families.count
        if place == families.count {
            places[name] = place
            families.append(Exposition.Family(name, kind, help: help))
        }
        families[place].samples.append(Exposition.Sample(kind == .counter ? "\(name)_total" : name, labels, value))
    }

    /// Adds a sample for each possible state: 1 for the current one, 0 for the others.
    mutating func addOneOf<State: CaseIterable & RawRepresentable<String> & Equatable>(
        _ name: String,
        _ help: String,
        _ labels: [String: String],
        _ state: State,
        _ label: String = "verdict"
    ) {
        for other in State.allCases {
            add(name, help, labels.with(label, other.rawValue), other == state ? 1 : 0)
        }
    }
}

extension [String: String] {
    func with(_ label: String, _ value: String) -> Self { merging([label: value]) { $1 } }
}
