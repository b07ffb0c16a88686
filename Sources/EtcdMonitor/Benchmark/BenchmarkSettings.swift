// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import EtcdMonitorKit
import Foundation

/// The settings of a benchmark, with its limits and its comparison.
struct BenchmarkSettings: Sendable {
    /// A change of the load, and the setting that causes it.
    private struct Change: Sendable {
        let name: String
        let apply: @Sendable (inout BenchmarkOptions) -> Void
    }

    private var changes: [Change] = []
    /// A load with its limits.
    ///
    /// Settings that are part of it cannot be combined with it.
    var preset: BenchmarkPreset?
    /// The limits in addition to those of the preset.
    var limits = BenchmarkLimits()
    /// The path of the page to write.
    var page: String?
    /// The path of an earlier result.
    var baseline: String?
    /// The share by which a figure may be worse than in the earlier result.
    var tolerance = 0.1

    /// The settings that a preset does not define.
    private static let besidesPreset = [
        "benchmark-duration", "benchmark-connections", "benchmark-on-loop", "benchmark-prefix", "benchmark-seed",
        "benchmark-quota-mb",
    ]

    /// Records a change of the load.
    mutating func change(_ name: String, _ apply: @escaping @Sendable (inout BenchmarkOptions) -> Void) {
        changes.append(Change(name: name, apply: apply))
    }

    /// The load.
    ///
    /// - Throws: A ``UsageError`` if a preset is combined with settings that it defines.
    func options() throws(UsageError) -> BenchmarkOptions {
        if let preset, let other = changes.first(where: { !Self.besidesPreset.contains($0.name) }) {
            throw UsageError("--benchmark-preset=\(preset.rawValue) cannot be combined with --\(other.name)")
        }
        var options = preset?.options ?? BenchmarkOptions()
        for change in changes { change.apply(&options) }
        return options
    }

    /// Reads the earlier result.
    ///
    /// - Parameter kind: The required kind.
    /// - Returns: The result; nil if none was given.
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
            throw refused(isJSON ? "it is not a benchmark result: \(JSONValue.reason(of: error))" : "it is not JSON")
        }
        if result.options.kind != kind {
            throw refused("its type is \(result.options.kind.rawValue), not \(kind.rawValue)")
        }
        return result
    }
}
