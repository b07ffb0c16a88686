// SPDX-License-Identifier: Apache-2.0

import CommandLineFlags
import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitor

@Suite("Damaged objects alerts of the configuration file", .unit, .timeLimit(.minutes(2)))
struct AlertsMutationTests {
    /// The names of the variables that the example takes; their values are secrets.
    private static let environment = ["TICKETS_TOKEN": "s3cret-tickets"]

    /// The object `alerts` of the shipped example.
    private static func example() throws -> JSONValue {
        let path = Repository.url("Docs/etcd-monitor.json")
        let content = try JSONDecoder().decode([String: JSONValue].self, from: Data(contentsOf: path))
        return try #require(content["alerts"])
    }

    /// The reason why an object is refused; nil if it is not.
    private func problem(_ alerts: JSONValue) throws -> String? {
        let file = ConfigurationFile(path: "monitor.json", environment: Self.environment)
        do throws(UsageError) {
            try AlertsConfiguration(ConfigurationValue(json: alerts, file: file, path: "alerts")).checkNames()
            return nil
        } catch {
            return error.description
        }
    }

    @Test("each is read, or refused with the place and a reason, without a crash")
    func mutations() throws {
        let example = try Self.example()
        #expect(try problem(example) == nil, "control")
        var random = SplitMix64(seed: 12)
        var refused = 0
        for round in 0..<1500 {
            var damaged = example
            for _ in 0...Int.random(in: 0...2, using: &random) { damaged = damaged.mutated(using: &random) }
            guard let problem = try problem(damaged) else { continue }
            refused += 1
            #expect(problem.hasPrefix("monitor.json: alerts"), "round \(round): \(problem)")
            #expect(problem.contains(/^monitor\.json: \S(?:.*\S)?: \S/), "round \(round): \(problem)")
            #expect(!problem.contains("s3cret"), "round \(round): \(problem)")
        }
        // A control: most damage is noticed, but some changes are valid, such as another limit.
        #expect((750..<1500).contains(refused), "\(refused)")
    }

    @Test("a wrong type is noticed everywhere")
    func types() throws {
        let example = try Self.example()
        for path in example.paths() {
            for wrong in [JSONValue.null, .number(-1.5e300), .array([.array([])]), .object(["": .null])] {
                let found = try problem(example.replacing(path[...], with: wrong))
                // A limit may be any number.
                if found == nil, path.last == "above", case .number = wrong { continue }
                #expect(found != nil, "\(path) \(wrong)")
            }
        }
    }
}

extension JSONValue {
    /// The paths to all values in it, with the indices of arrays as texts.
    fileprivate func paths() -> [[String]] {
        children.sorted { $0.key < $1.key }.flatMap { key, value in [[key]] + value.paths().map { [key] + $0 } }
    }

    private var children: [String: JSONValue] {
        switch self {
        case .object(let values): values
        case .array(let values): Dictionary(uniqueKeysWithValues: values.enumerated().map { ("\($0)", $1) })
        default: [:]
        }
    }

    /// The value with another one, or none, at a path.
    fileprivate func replacing(_ path: ArraySlice<String>, with other: JSONValue?) -> JSONValue {
        guard let key = path.first else { return other ?? .null }
        let rest = path.dropFirst()
        switch self {
        case .object(var values):
            values[key] = rest.isEmpty ? other : values[key]?.replacing(rest, with: other)
            return .object(values)
        case .array(var values):
            guard let index = Int(key), values.indices.contains(index) else { return self }
            if rest.isEmpty, other == nil {
                values.remove(at: index)
            } else {
                values[index] = values[index].replacing(rest, with: other)
            }
            return .array(values)
        default: return self
        }
    }

    /// The value with one thing in it changed, taken away or doubled.
    fileprivate func mutated(using random: inout SplitMix64) -> JSONValue {
        guard let path = paths().randomElement(using: &random) else { return self }
        let old = path.reduce(self) { $0.children[$1] ?? .null }
        switch Int.random(in: 0..<5, using: &random) {
        case 0: return replacing(path[...], with: nil)
        case 1: return replacing(path[...], with: .array([old, old]))
        case 2:
            let key = String((path.last ?? "").dropLast()) + "x"
            return replacing(path.dropLast() + [key], with: old)
        case 3:
            let others: [JSONValue] = [
                .null, .bool(true), .number(1e308), .number(-0.0), .text(""), .text("0s"), .text("${"), .text("${X}"),
                .text("1e5h"), .text("\u{0}*\u{1F600}"), .array([]), .object([:]), .text("*"), .text("999999h"),
            ]
            return replacing(path[...], with: others.randomElement(using: &random))
        default:
            guard case .text(var text) = old, let index = text.indices.randomElement(using: &random) else {
                return replacing(path[...], with: .number(Double.random(in: -1e6...1e6, using: &random)))
            }
            text.remove(at: index)
            return replacing(path[...], with: .text(text))
        }
    }
}
