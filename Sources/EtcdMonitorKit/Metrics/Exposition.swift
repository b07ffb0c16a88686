// SPDX-License-Identifier: Apache-2.0

/// A parsed page of metrics in Prometheus's text format.
///
/// Follows the [exposition formats](https://prometheus.io/docs/instrumenting/exposition_formats/), version 0.0.4.
struct Exposition: Sendable, Hashable {
    /// The type of a family of metrics.
    enum Kind: String, Sendable, Hashable {
        case counter, gauge, histogram, summary, untyped
    }

    /// A line of the page.
    struct Sample: Sendable, Hashable {
        /// The name with its suffix, such as `http_requests_total` or `request_seconds_bucket`.
        var name: String
        /// The labels.
        var labels: [String: String]
        /// The value.
        var value: Double

        /// Makes a sample.
        ///
        /// - Parameters:
        ///   - name: The name with its suffix.
        ///   - labels: The labels.
        ///   - value: The value.
        init(_ name: String, _ labels: [String: String] = [:], _ value: Double) {
            self.name = name
            self.labels = labels
            self.value = value
        }
    }

    /// The samples of one metric.
    struct Family: Sendable, Hashable {
        /// The name without a suffix.
        var name: String
        /// The type.
        var kind: Kind
        /// The description of the metric; empty if the page has none.
        var help: String
        /// The samples, in the order of the page.
        var samples: [Sample]

        /// Makes a family.
        ///
        /// - Parameters:
        ///   - name: The name without a suffix.
        ///   - kind: The type.
        ///   - help: The description of the metric.
        ///   - samples: The samples.
        init(_ name: String, _ kind: Kind, help: String = "", _ samples: [Sample] = []) {
            self.name = name
            self.kind = kind
            self.help = help
            self.samples = samples
        }
    }

    /// The families by name.
    private(set) var families: [String: Family] = [:]

    /// Makes a page of families.
    ///
    /// - Parameter families: The families; of several with one name, the last one is kept.
    init(_ families: some Sequence<Family>) {
        for family in families { self.families[family.name] = family }
    }

    /// The value of a metric without labels; nil if there is none.
    ///
    /// - Parameter name: The name of the family.
    subscript(_ name: String) -> Double? {
        families[name]?.samples.first { $0.name == name && $0.labels.isEmpty }?.value
    }

    /// The samples of a counter, gauge or untyped metric.
    ///
    /// - Parameter name: The name of the family.
    /// - Returns: The samples; empty if there is no such family.
    func samples(of name: String) -> [Sample] {
        families[name]?.samples ?? []
    }
}
