// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitor
@testable import EtcdMonitorKit

/// Docs/Benchmark.md is complete and true.
///
/// With `ETCD_KIT_WRITE_DOCS` in the environment, a test writes the page's table of settings.
@Suite("Docs/Benchmark.md", .cluster, .timeLimit(.minutes(1)))
struct BenchmarkDocumentationTests {
    private static let path = Repository.url("Docs/Benchmark.md")
    private let page: String

    init() throws { page = try String(contentsOf: Self.path, encoding: .utf8) }

    /// The first cells of the table of a section, each with the names in it.
    private func names(of section: String) throws -> [String] {
        let start = try #require(page.firstRange(of: "# \(section)\n")).upperBound
        let table = try #require(page[start...].firstMatch(of: /\|---\|.*\n((?:\|.*\n)+)/)).output.1
        let cells = table.split(separator: "\n").compactMap { $0.split(separator: "|").first }
        return cells.flatMap { cell in
            cell.split(separator: ",").map { $0.trimmingCharacters(in: [" ", "`"]) }
        }
    }

    @Test("has each setting")
    func settings() throws {
        let table = MonitoringPageTests.table(of: Setting.benchmark)
        try Repository.compare("settings", with: table, in: Self.path)
    }

    @Test("has each type, each key of the JSON and each exit status")
    func lists() throws {
        #expect(try names(of: "Types") == BenchmarkKind.allCases.map(\.rawValue))
        // Each line of the coding keys that ends with its name in JSON, or is its name.
        let folder = Repository.url("Sources/EtcdMonitorKit")
        var keys: [String] = []
        for file in ["Benchmark/BenchmarkResult+Coding.swift", "BenchmarkReport/BenchmarkReport.swift"] {
            let source = try String(contentsOf: folder.appending(path: file), encoding: .utf8)
            let start = try #require(source.firstRange(of: "enum CodingKeys: String, CodingKey {")).upperBound
            let end = try #require(source[start...].firstRange(of: "}")).lowerBound
            for line in source[start..<end].matches(of: /case (.+)/).map(\.output.1) {
                let parts = line.split(separator: " = ")
                keys +=
                    parts.count == 2
                    ? [parts[1].trimmingCharacters(in: ["\""])]
                    : line.components(separatedBy: ", ")
            }
        }
        #expect(keys.count > 35)
        #expect(Set(try names(of: "JSON")) == Set(keys))
        let text = try names(of: "Exit statuses")
        #expect(text == ["0", "10", "11", "12", "13", "14", "15", "16", "64", "70", "130", "143"])
        let statuses = [
            BenchmarkStatus.slowP99, BenchmarkStatus.lowRate, BenchmarkStatus.manyErrors, BenchmarkStatus.presetMissed,
            BenchmarkStatus.worse, BenchmarkStatus.endedEarly, BenchmarkStatus.slowDisk,
            BenchmarkStatus.signal(SIGINT), BenchmarkStatus.signal(SIGTERM),
        ]
        for status in statuses {
            #expect(text.contains("\(status)") && Settings.help.contains("\(status)"), "\(status)")
        }
    }

    @Test("has commands that the program takes")
    func commands() throws {
        let commands = page.split(separator: "\n").filter { $0.hasPrefix("    etcd-monitor ") }
        #expect(commands.count >= 7)
        for command in commands {
            let arguments = command.split(separator: " ").dropFirst().map(String.init).filter { !$0.hasPrefix(">") }
            let settings = try Settings(arguments, environment: [:])
            _ = try settings.benchmark.options()
        }
    }

    @Test("has links with targets, and the routes of the API")
    func links() throws {
        for route in Route.all where route.path.contains("benchmark") {
            #expect(page.contains("\n    \(route.method) \(route.path) "), "\(route.method) \(route.path)")
        }
        let anchors = page.split(separator: "\n").filter { $0.hasPrefix("#") }.map { line in
            line.drop { $0 == "#" || $0 == " " }.lowercased().replacing(" ", with: "-")
        }
        for link in page.matches(of: /\]\(#([^)]+)\)/) {
            #expect(anchors.contains(String(link.output.1)), "\(link.output.1)")
        }
        let sizes = [BenchmarkRequest.mostBytes, BenchmarkRequest.mostAnswerBytes, BenchmarkRequest.mostAnswersBytes]
        for number in [BenchmarkRequest.mostOperations.formatted()] + sizes.map({ " \($0 >> 20) MiB" }) {
            #expect(page.contains(number), "\(number)")
        }
    }

    @Test("its code runs")
    func snippet() async throws {
        try await withEtcdCluster { cluster in
            try await withEtcdClient(endpoints: cluster.endpoints.joined(separator: ",")) { client in
                try await withFiles([:]) { folder in
                    let page = URL(fileURLWithPath: "\(folder)/page")
                    try await Snippets.benchmark(client, page: page)
                    #expect(try String(contentsOf: page, encoding: .utf8).contains("<h1>Benchmark: mixed</h1>"))
                }
            }
        }
    }
}
