// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Testing

@testable import EtcdMonitorKit

@Suite(.cluster, .timeLimit(.minutes(2))) struct ExpositionHostileTests {
    @Test(arguments: [
        ("a", "value"), ("a{b=\"c\"}", "value"), ("1a 2", "digit"), ("{b=\"c\"} 1", "name"), ("{} 1", "name"),
        ("{\"\"} 1", "name"), ("{\"a\" b=\"c\"} 1", "comma"), ("a{b=\"c} 1", "closed"), ("a{b=\"c\\\"} 1", "closed"),
        ("a{b=\"c\\", "closed"), ("a{b=c} 1", "quote"), ("a{b} 1", "no value"), ("a{=\"c\"} 1", "label"),
        ("a{,} 1", "label"), ("a{b=\"c\",,} 1", "label"), ("a{b=\"c\" d=\"e\"} 1", "comma"), ("a{b=\"c\"", "comma"),
        ("a{b=\"c\",b=\"d\"} 1", "duplicate label b"), ("a{1b=\"c\"} 1", "digit"), ("a 1 x", "timestamp"),
        ("a 1 2 3", "unexpected text"),
        ("a # {} 1", "value"), ("é 1", "name"), ("a{\"b\"} 1", "no value"),
    ])
    func `A line that is not valid is an error with its number`(line: String, reason: String) throws {
        let error = try #require(throws: ExpositionError.self) {
            try Exposition(parsing: "# TYPE a gauge\na 1\n\(line)\na 2\n".utf8)
        }
        #expect(error.line == 3)
        #expect(error.reason.contains(reason), "\(error)")
    }

    @Test func `Bytes that are not UTF-8 are replaced`() throws {
        let page = try Exposition(parsing: Array("a{b=\"".utf8) + [0xff, 0xc0] + Array("\"} 1".utf8))
        #expect(page.samples(of: "a").first?.labels["b"] == "\u{fffd}\u{fffd}")
    }

    @Test func `The length of a line has a limit`() throws {
        func page(_ length: Int) -> String { "ok 1\na{b=\"\(String(repeating: "x", count: length - 9))\"} 1\n" }
        let limit = ExpositionParser.maximumLineLength
        #expect(try Exposition(parsing: page(limit).utf8).samples(of: "a").count == 1)
        let error = try #require(throws: ExpositionError.self) { try Exposition(parsing: page(limit + 1).utf8) }
        #expect(error.line == 2)
        #expect(throws: ExpositionError.self) { try Exposition(parsing: [UInt8](repeating: 0x23, count: limit + 1)) }
    }

    @Test func `The number of labels has a limit`() throws {
        func page(_ count: Int) -> String { "a{\((0..<count).map { "l\($0)=\"\"," }.joined())} 1" }
        #expect(try Exposition(parsing: page(64).utf8).samples(of: "a").first?.labels.count == 64)
        #expect(throws: ExpositionError.self) { try Exposition(parsing: page(65).utf8) }
    }

    @Test func `The number of samples has a limit, also of those that are not kept`() throws {
        let limit = ExpositionParser.maximumSamples
        let page = String(repeating: "a 1\n", count: limit)
        #expect(try Exposition(parsing: page.utf8) { _ in false }.families.isEmpty)
        let error = try #require(throws: ExpositionError.self) {
            try Exposition(parsing: (page + "a 1\n").utf8) { _ in false }
        }
        #expect(error.line == limit + 1)
    }

    @Test func `Nothing on a page makes the parser or the log fail`() async throws {
        let original = try await withEtcdCluster { cluster in
            try await MetricsPage.fetch(from: cluster.members[0])
        }
        // Short pages, so that a mutation is likely to hit what matters.
        let lines = original.split(separator: 0x0a, omittingEmptySubsequences: false)
        var random = SplitMix64(seed: 11)
        var (valid, refused) = (0, 0)
        let alphabet = Array("{}\",=\\ #\n\r\te+-.0NaInf_\u{0}\u{ff}".utf8)
        for _ in 0..<4000 {
            let start = Int.random(in: 0..<lines.count - 40, using: &random)
            var page = Array(lines[start..<start + 40].joined(separator: [0x0a]))
            for _ in 0..<Int.random(in: 0...4, using: &random) where page.count > 2 {
                let place = Int.random(in: 0..<page.count, using: &random)
                switch Int.random(in: 0..<5, using: &random) {
                case 0: page[place] = UInt8.random(in: 0...255, using: &random)
                case 1: page[place] = alphabet.randomElement(using: &random) ?? 0
                case 2: page.insert(alphabet.randomElement(using: &random) ?? 0, at: place)
                case 3: page.removeSubrange(place..<min(page.count, place + Int.random(in: 1...9, using: &random)))
                default: page.append(contentsOf: page[place...].prefix(200))
                }
            }
            do {
                let page = try Exposition(parsing: page)
                var log = CounterLog(window: .seconds(900))
                log.add(page, at: .seconds(1))
                log.add(page, at: .seconds(2))
                for name in MetricsCatalogue.histograms { _ = page.histogram(name)?.quantile(0.99) }
                valid += 1
            } catch {
                #expect(error.line >= 1)
                refused += 1
            }
        }
        #expect(valid > 500)
        #expect(refused > 500)
    }
}
