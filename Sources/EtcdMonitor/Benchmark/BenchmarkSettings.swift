// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

/// The benchmark to be run, and what it is held against.
struct BenchmarkSettings: Sendable {
    /// A change of the load, and the setting that makes it.
    private struct Change: Sendable {
        let name: String
        let apply: @Sendable (inout BenchmarkOptions) -> Void
    }

    private var changes: [Change] = []
    /// A load with its limits; the settings that are a part of it are not allowed beside it.
    var preset: BenchmarkPreset?
    /// The limits besides those of the preset.
    var limits = BenchmarkLimits()
    /// The path of the page that is to be written.
    var page: String?
    /// The path of an earlier result.
    var baseline: String?
    /// The share by which a figure may be worse than in the earlier result.
    var tolerance = 0.1

    /// The settings that a preset leaves open.
    private static let besidesPreset = [
        "benchmark-duration", "benchmark-connections", "benchmark-on-loop", "benchmark-prefix", "benchmark-seed",
        "benchmark-quota-mb",
    ]

    /// Notes a change of the load.
    mutating func change(_ name: String, _ apply: @escaping @Sendable (inout BenchmarkOptions) -> Void) {
        changes.append(Change(name: name, apply: apply))
    }

    /// The load.
    ///
    /// - Throws: A ``UsageError`` if there are a preset and parts of another load.
    func options() throws(UsageError) -> BenchmarkOptions {
        if let preset, let other = changes.first(where: { !Self.besidesPreset.contains($0.name) }) {
            throw UsageError("--benchmark-preset=\(preset.rawValue) is a load of its own, and takes no --\(other.name)")
        }
        var options = preset?.options ?? BenchmarkOptions()
        for change in changes { change.apply(&options) }
        return options
    }

    /// Reads the earlier result.
    ///
    /// - Parameter kind: The kind that it must have.
    /// - Returns: The result; nil if none was named.
    /// - Throws: A ``UsageError`` if it cannot be compared.
    func readBaseline(of kind: BenchmarkKind) throws(UsageError) -> BenchmarkResult? {
        guard let path = baseline else { return nil }
        func refused(_ reason: String) -> UsageError { UsageError("--compare: \(path): \(reason)") }
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: path)) else {
            throw refused("the file cannot be read")
        }
        let result: BenchmarkResult
        do {
            result = try JSONDecoder().decode(BenchmarkResult.self, from: data)
        } catch {
            let isJSON = (try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)) != nil
            throw refused(isJSON ? "it is no result of a benchmark: \(JSONValue.reason(of: error))" : "it is not JSON")
        }
        if result.options.kind != kind {
            throw refused("it is of the type \(result.options.kind.rawValue), and this one is \(kind.rawValue)")
        }
        return result
    }
}
