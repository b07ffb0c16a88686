// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import EtcdMonitorKit

/// The description of the API is compared with the API.
@Suite(.unit) struct OpenAPITests {
    /// The lines of the description, without those of examples and texts.
    private let lines: [Line]
    private var options: MonitorAPI.Options {
        var options = MonitorAPI.Options()
        options.tokens = [APIToken("change", role: .admin)]
        options.allowBenchmark = true
        return options
    }

    private struct Line {
        let depth: Int
        let text: Substring
        /// The name of a line that begins a block, such as `get` of `get:`.
        var name: String? { text.hasSuffix(":") ? text.dropLast().trimmingCharacters(in: ["'"]) : nil }
    }

    init() throws {
        lines = try Repository.text("Docs/openapi.yaml").split(separator: "\n").map { line in
            Line(depth: line.prefix { $0 == " " }.count, text: line.drop { $0 == " " })
        }
    }

    /// The blocks in the block at a path of names.
    private func blocks(_ path: String...) -> [(name: String, lines: [Line])] {
        var (inside, depth) = (lines, 0)
        for name in path {
            guard let start = inside.firstIndex(where: { $0.depth == depth && $0.name == name }) else { return [] }
            inside = Array(inside[(start + 1)...].prefix { $0.depth > depth })
            depth += 2
        }
        var result: [(name: String, lines: [Line])] = []
        for line in inside {
            if line.depth == depth, let name = line.name {
                result.append((name, []))
            } else if !result.isEmpty {
                result[result.count - 1].lines.append(line)
            }
        }
        return result
    }

    /// The names of the schemas, or of others that are referred to.
    private func references(to part: String, in lines: [Line]) -> [String] {
        lines.filter { $0.text.contains("#/components/\(part)/") }
            .compactMap { $0.text.split(separator: "/").last?.filter { $0 != "'" } }
    }

    @Test func `The description has the routes that there are, and no others`() {
        var described: [String] = []
        for path in blocks("paths") {
            for method in blocks("paths", path.name) { described.append("\(method.name.uppercased()) \(path.name)") }
        }
        #expect(described.sorted() == Route.all.map { "\($0.method) \($0.path)" }.sorted())
    }

    @Test func `Each route has its parameters, and the security that it has`() async {
        var names: [String: String] = [:]
        for parameter in blocks("components", "parameters")
        where parameter.lines.contains(where: { $0.text == "in: query" }) {
            names[parameter.name] = parameter.lines.first { $0.text.hasPrefix("name: ") }.map {
                String($0.text.dropFirst(6))
            }
        }
        for route in Route.all {
            let lines = blocks("paths", route.path).first { $0.name == route.method.lowercased() }?.lines ?? []
            let parameters = references(to: "parameters", in: lines).compactMap { names[$0] }
            #expect(Set(parameters) == route.parameters, "\(route.path)")
            #expect(lines.contains { $0.text == "security: []" } == (route.role == nil), "\(route.path)")
            #expect(lines.contains { $0.name == "security" } == (route.role == .admin), "\(route.path)")
            let statuses = blocks("paths", route.path, route.method.lowercased(), "responses").map(\.name)
            #expect(Set(statuses).isSuperset(of: ["\(route.success)", "400", "default"]), "\(route.path)")
            #expect(statuses.contains("401") == (route.role != nil) && statuses.contains("403") == (route.role != nil))
            // Without a center there are no alerts to answer with.
            let isOfAlerts =
                await MonitorAPI.over(FakeCluster(), options: options)
                .respond(to: route.sample("Bearer change")).status == 404
            let isExpected = isOfAlerts || route.parameters.contains("cluster") || route.path.hasSuffix("{id}")
            #expect(statuses.contains("404") == isExpected, "\(route.path)")
        }
    }

    @Test func `The answers have the properties that are described, and no others`() async throws {
        let api = MonitorAPI.over(FakeCluster(), alerts: FakeAlerts(), options: options)
        for route in Route.all {
            let responses = blocks("paths", route.path, route.method.lowercased(), "responses")
            let lines = responses.first { $0.name == "\(route.success)" }?.lines ?? []
            guard let schema = references(to: "schemas", in: lines).first else { continue }
            check(try await api.object(route.sample("Bearer change")), schema)
        }
        check(try await api.object("/nothing"), "Problem")
    }

    @Test func `The body of a new silence or benchmark has the fields that are described, and no others`() async throws
    {
        let api = MonitorAPI.over(FakeCluster(), alerts: FakeAlerts(), options: options)
        let (silences, benchmarks) = ("/api/v1/silences", "/api/v1/performance/benchmark")
        for (path, body, schema) in [
            (silences, #"{"wat":1}"#, "NewSilence"), (silences, #"{"matchers":[{"wat":1}]}"#, "NewMatcher"),
            (benchmarks, #"{"wat":1}"#, "NewBenchmark"),
        ] {
            let headers: HTTPHeaders = ["Authorization": "Bearer change", "Content-Type": "application/json"]
            let request = HTTPRequest("POST", path, headers: headers, body: Array(body.utf8))
            let detail = try await api.object(request)["detail"] as? String
            let names = detail?.components(separatedBy: "the fields are ").last?.components(separatedBy: ", ") ?? []
            #expect(Set(names) == Set(blocks("components", "schemas", schema, "properties").map(\.name)))
        }
        #expect(required(by: "NewSilence") == ["matchers", "comment"])
    }

    @Test func `The kinds of an enumeration are all described`() {
        let text = lines.map(\.text).joined(separator: "\n")
        func described(_ names: [String]) -> Bool { text.contains("enum: [\(names.joined(separator: ", "))]") }
        #expect(described(Verdict.allCases.map(\.rawValue)))
        #expect(described(Quorum.State.allCases.map(\.rawValue)))
        #expect(described(MemberSnapshot.Role.allCases.map(\.rawValue)))
        #expect(described(ProbeFailure.Reason.allCases.map(\.rawValue)))
        #expect(described(ReadinessReport.Outcome.allCases.map(\.rawValue)))
        #expect(described(["pending", "firing"]) && described(Alert.State.allCases.map(\.rawValue)))
        #expect(described(AlertSeverity.allCases.map(\.rawValue)))
        #expect(described(Silence.State.allCases.map(\.rawValue)))
        #expect(described(BenchmarkRuns.State.allCases.map(\.rawValue)))
        #expect(described(BenchmarkKind.allCases.map(\.rawValue)))
        #expect(described(BenchmarkProgress.Phase.allCases.map(\.rawValue)))
        #expect(described(BenchmarkOptions.KeyOrder.allCases.map(\.rawValue)))
        #expect(described(["alive", "silent", "unknown"]) && described(["server", "authority", "client"]))
    }

    /// Compares an object, and the objects in it, with a schema.
    private func check(_ object: [String: Any], _ schema: String) {
        let properties = blocks("components", "schemas", schema, "properties")
        let described = Set(properties.map(\.name))
        let required = self.required(by: schema)
        #expect(Set(object.keys).isSubset(of: described), "\(schema)")
        #expect(required.isSubset(of: object.keys) && required.isSubset(of: described), "\(schema)")
        // The sample has every field, except one of two in a probe's result, and the fields of other states.
        let partial = ["ProbeResult", "ReadinessCheck", "Alert", "Channel", "Benchmark", "BenchmarkResult"]
        let isPartial = partial.contains(schema)
        if !isPartial { #expect(Set(object.keys) == described, "\(schema)") }
        for property in properties {
            guard let inner = references(to: "schemas", in: property.lines).first else { continue }
            let objects: [Any] =
                switch object[property.name] {
                case let list as [Any]: list
                case let map as [String: Any] where property.lines.contains { $0.name == "additionalProperties" }:
                    Array(map.values)
                case let value?: [value]
                case nil: []
                }
            for case let object as [String: Any] in objects { check(object, inner) }
        }
    }

    private func required(by schema: String) -> Set<String> {
        let lines = blocks("components", "schemas").first { $0.name == schema }?.lines ?? []
        guard let start = lines.firstIndex(where: { $0.depth == 6 && $0.text.hasPrefix("required:") }) else {
            return []
        }
        let list = lines[start].text.dropFirst(9).filter { !"[], ".contains($0) || $0 == "," }
        if !list.isEmpty { return Set(list.split(separator: ",").map(String.init)) }
        return Set(lines[(start + 1)...].prefix { $0.depth == 8 }.map { String($0.text.dropFirst(2)) })
    }
}
