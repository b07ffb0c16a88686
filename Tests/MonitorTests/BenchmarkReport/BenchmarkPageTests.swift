// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("BenchmarkReport: the page", .cluster, .timeLimit(.minutes(1)))
struct BenchmarkPageTests {
    private static let hostile = "</style><script>alert(1)</script>\"' onload=\"alert(2)\" &amp;\u{202e}"

    /// A report with every part of the page, in which each text from elsewhere is hostile.
    private static func report(_ hostile: String = hostile) -> BenchmarkReport {
        var (result, baseline) = (
            BenchmarkResult.sample(), BenchmarkResult.sample([[1, 2, 3], [2, 3, 4], [1, 1, 1]])
        )
        result.servers = [.init(endpoint: hostile, version: hostile, databaseSize: 1)]
        result.errors = [hostile: 3]
        result.cleanupFailure = hostile
        result.clientVersion = hostile
        baseline.servers = [.init(endpoint: hostile, version: hostile, databaseSize: nil)]
        var limits = BenchmarkLimits()
        limits.p99 = .milliseconds(50)
        return BenchmarkReport(result, checks: limits.check(result), baseline: baseline, endReason: hostile)
    }

    @Test("loads nothing and runs nothing, whatever the texts contain")
    func hostileTexts() {
        let page = Self.report().html
        #expect(page.contains("&lt;script&gt;alert(1)"), "control")
        #expect(!page.contains("<script") && !page.contains("\" onload") && !page.contains("\u{202e}"))
        #expect(page.components(separatedBy: "</style>").count == 2)
        #expect(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\""))
        // The only address is the icon, which is empty.
        #expect(page.matches(of: /(?:src|href|action)="([^"]*)"/).map { String($0.output.1) } == ["data:,"])
        #expect(!page.contains("url(") && !page.contains("@import") && !page.contains("//"))
    }

    @Test("has a plot of each kind, with the earlier run beneath")
    func plots() {
        let titles = Self.report("x").plots.map(\.title)
        #expect(
            titles.map { $0.split(separator: ",").first.map(String.init) } == [
                "Latency over time", "Writes per second", "Distribution of the latencies: share of all in per cent",
                "Latency by percentile",
            ]
        )
        #expect(Self.report("x").html.components(separatedBy: "<g class=\"before\">").count == 5)
        let alone = BenchmarkReport(.sample())
        #expect(alone.plots.count == 4 && !alone.html.contains("<g class=\"before\">"))
        #expect(
            !alone.html.contains("Compared with") && !alone.html.contains(">Limits<")
                && !alone.html.contains(">Errors<")
        )
    }

    @Test("draws each interval at its time and its height")
    func places() throws {
        let plot = try #require(
            BenchmarkReport(.sample([[1], [1, 1, 1, 1]])).plots.first { $0.title == "Writes per second" }
        )
        let line = try #require(plot.html.firstMatch(of: /class="line" d="M([^"]+)"/)).output.1
        #expect(plot.y.high == 4)
        #expect(line == "0.0,750.0L500.0,750.0L500.0,0.0L1000.0,0.0")
    }

    @Test("leaves out a last interval that is too short to have a rate")
    func lastInterval() throws {
        var result = BenchmarkResult.sample([[1], [1], [1]])
        result.intervals[2].duration = .milliseconds(3)
        let plot = try #require(BenchmarkReport(result).plots.first { $0.title == "Writes per second" })
        #expect(plot.notes.count == 2 && plot.y.high == 1)
    }

    @Test("can be made from an empty result, and from impossible figures")
    func extremes() throws {
        let empty = BenchmarkReport(BenchmarkResult(options: BenchmarkOptions(.read)))
        #expect(empty.plots.isEmpty && empty.html.contains("0 reads in 0 µs"))
        var odd = BenchmarkResult.sample()
        odd.duration = .zero
        odd.processorTime = .seconds(1e12)
        odd.peakMemory = .max
        odd.databaseSize = .min
        odd.intervals[1].start = .seconds(1e10)
        odd.intervals[0].operations = .max
        odd.startTime = .distantFuture
        odd.options.rate = .nan
        let report = BenchmarkReport(.sample(), baseline: odd)
        #expect(report.html.contains("Compared") && report.text.contains("COMPARED"))
        #expect(BenchmarkReport(odd, baseline: .sample()).html.contains("</html>"))
    }

    @Test("refuses or shows an earlier result with arbitrary contents", arguments: [1, 2, 3])
    func claims(number: Int) throws {
        var json = try BenchmarkReport(.sample()).json
        switch number {
        case 1: json["ops"] = Int.max
        case 2:
            json["histogram"] =
                ["buckets": [[1, Int.max - 1]], "sum_ns": 1e308, "min_ns": 0, "max_ns": UInt64.max] as [String: Any]
        default: json["intervals"] = [["start_s": 1e9, "sec": 1e-9, "ops": Int.max, "errors": Int.max, "p50_ms": 1e9]]
        }
        let data = try JSONSerialization.data(withJSONObject: json)
        guard let claimed = try? JSONDecoder().decode(BenchmarkResult.self, from: data) else { return }
        let report = BenchmarkReport(.sample(), baseline: claimed)
        #expect(report.html.contains("</html>") && report.text.contains("COMPARED"))
        #expect(BenchmarkReport(claimed, baseline: claimed).text.hasPrefix("write: "))
    }

    @Test("fits a telephone and a wide window, in light and dark", .enabled(if: Browser.path != nil))
    func browser() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "page-\(UUID().uuidString).html")
        try Data(Self.report().html.utf8).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let browser = try await Browser(file.absoluteString, width: 400, scheme: "dark")
        defer { browser.close() }
        let width = "document.documentElement.scrollWidth"
        #expect(try await browser.value(of: width) == "400")
        #expect(try await browser.value(of: "getComputedStyle(document.body).backgroundColor") == "rgb(14, 18, 23)")
        // No mark of an axis lies over its neighbour.
        let overlaps = """
            [...document.querySelectorAll('.x')].filter(axis => {
              const boxes = [...axis.children].map(mark => mark.getBoundingClientRect());
              return boxes.some((box, index) => index > 0 && box.left < boxes[index - 1].right);
            }).length
            """
        #expect(try await browser.value(of: overlaps) == "0")
        #expect(try await browser.value(of: "document.querySelectorAll('.plot svg').length") == "4")
        #expect(try await browser.value(of: "document.querySelector('.plot svg').clientHeight") == "200")
        #expect(try await browser.text().contains("</style><script>alert(1)</script>\"' onload"))
        try await browser.resize(to: 1280)
        #expect(try await browser.value(of: width) == "1280")
        #expect(browser.messages.isEmpty, "\(browser.messages)")
    }
}
