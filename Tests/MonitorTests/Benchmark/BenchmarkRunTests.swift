// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite(.cluster, .timeLimit(.minutes(1)))
struct BenchmarkRunTests {
    /// The expected counts of one kind.
    struct Expectation: Sendable {
        let kind: BenchmarkKind
        let operations: Int
        let latencies: Int
        /// Those of the operations (locks share some), the marker, the keys that are written before, and the deletions.
        let revisions: ClosedRange<Int64>
    }

    private static let expectations = [
        Expectation(kind: .write, operations: 100, latencies: 100, revisions: 103...103),
        Expectation(kind: .read, operations: 100, latencies: 100, revisions: 4...4),
        Expectation(kind: .range, operations: 100, latencies: 100, revisions: 4...4),
        Expectation(kind: .mixed, operations: 100, latencies: 100, revisions: 10...80),
        Expectation(kind: .delete, operations: 100, latencies: 100, revisions: 103...103),
        Expectation(kind: .txn, operations: 100, latencies: 100, revisions: 103...103),
        Expectation(kind: .lock, operations: 100, latencies: 100, revisions: 28...203),
        Expectation(kind: .watch, operations: 100, latencies: 800, revisions: 104...104),
        Expectation(kind: .watches, operations: 8, latencies: 8, revisions: 11...11),
    ]

    @Test func `Each kind makes its operations, counts them, and leaves no keys or leases behind`() async throws {
        try await BenchmarkBench.run { bench in
            for expected in Self.expectations {
                var options = BenchmarkBench.options(expected.kind)
                options.connections = 2
                check(try await bench.run(options), expected)
                let leftovers = try await bench.leftovers()
                #expect(leftovers == (0, 0), "\(expected.kind)")
            }
        }
    }

    private func check(_ result: BenchmarkResult, _ expected: Expectation) {
        let kind = expected.kind
        #expect(result.isComplete && result.errors.isEmpty && result.cleanupFailure == nil, "\(kind)")
        #expect(result.operations == expected.operations && result.latency.count == expected.latencies, "\(kind)")
        #expect(expected.revisions.contains(result.revisions), "\(kind): \(result.revisions) revisions")
        #expect(result.intervals.reduce(0) { $0 + $1.operations } == expected.latencies, "\(kind)")
        #expect(result.duration > .zero && result.processorTime > .zero && result.peakMemory > 1 << 20, "\(kind)")
        #expect(result.latency.minimum > .zero && result.latency.maximum <= result.duration, "\(kind)")
        #expect(result.servers.first?.version?.hasPrefix("3.") == true && result.options.prefix == "bench/")
        #expect((result.databaseSize ?? 0) > 0)
        let watches = kind == .watch || kind == .watches
        #expect(result.events == (watches ? expected.latencies : nil))
        #expect((result.openTime != nil) == (kind == .watches))
    }

    @Test func `Leases are held for a time, renewed, and revoked`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.leases)
            options.callers = 100
            options.amount = .duration(.milliseconds(300))
            let most = Lock(0)
            let result = try await bench.run(options) { progress in
                if progress.phase == .cleaning { most.withLock { $0 += 1 } }
            }
            #expect(result.isComplete && result.operations >= 100 && result.latency.count == 100)
            let openTime = try #require(result.openTime)
            #expect(openTime > .zero && result.duration >= openTime + .milliseconds(300))
            #expect(most.withLock { $0 } == 1)
            let leftovers = try await bench.leftovers()
            #expect(leftovers == (0, 0))
        }
    }

    @Test func `Keys, values and their order are as asked for`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.write)
            options.amount = .operations(10)
            options.callers = 1
            options.keySpace = 4
            options.keySize = 5
            let inOrder = (0..<10).map { "bench/0000\($0 % 4)" }
            #expect(try await puts(of: options, bench) == inOrder)
            options.keySpace = 10_000
            options.keyOrder = .random
            let drawn = try await puts(of: options, bench)
            #expect(Set(drawn).count > 5 && drawn != drawn.sorted())
            #expect(try await puts(of: options, bench) == drawn)
            options.seed = 2
            #expect(try await puts(of: options, bench) != drawn)
            options.kind = .mixed
            options.readRatio = 0
            #expect(try await puts(of: options, bench).count == 10)
            options.readRatio = 1
            options.keySpace = 10
            #expect(try await puts(of: options, bench).isEmpty)
        }
    }

    /// The keys that a run puts while it measures, in their order.
    private func puts(of options: BenchmarkOptions, _ bench: BenchmarkBench) async throws -> [String] {
        let before = try await bench.client.range(.key("x")).header.revision
        let result = try await bench.run(options)
        #expect(result.errors.isEmpty)
        let marker = try await bench.client.put("end", "")
        var keys: [String] = []
        for try await event in bench.client.watch(.all, from: before.next) {
            if event.revision == marker.header.revision { break }
            // Keys that are written before share a revision.
            guard event.kind == .put, event.key != "bench/.run", event.entry.value.bytes.first == UInt8(ascii: "x")
            else { continue }
            #expect(event.entry.value.bytes.count == options.valueSize)
            if options.kind == .write || event.entry.version > 1 { keys.append(event.key.string ?? "") }
        }
        return keys
    }

    @Test func `With a rate, latencies count from the intended start`() async throws {
        try await BenchmarkBench.run { bench in
            let proxy = try await FaultProxy.start(to: bench.cluster.endpoints[0])
            var slow = bench
            slow.configuration = try EtcdClient.Configuration(endpoints: proxy.endpoint)
            await proxy.delay(.milliseconds(25), .toServer)
            var options = BenchmarkBench.options(.write)
            options.amount = .operations(20)
            options.callers = 1
            options.rate = 200
            let result = try await slow.run(options)
            // Each write takes 25 ms at least, and is to begin 5 ms after the one before.
            #expect(result.operations == 20 && result.latency.maximum >= .milliseconds(20 * 25 - 19 * 5))
            #expect(result.latency.quantile(0.5) >= .milliseconds(10 * 25 - 9 * 5) * 0.99)
            // At a rate that is kept, the run takes its full time.
            await proxy.delay(.zero)
            options.callers = 4
            options.rate = 100
            #expect(try await slow.run(options).duration >= .milliseconds(190))
            await proxy.stop()
        }
    }

    @Test func `A run ends after its duration, and reports its progress`() async throws {
        try await BenchmarkBench.run { bench in
            var options = BenchmarkBench.options(.txn)
            options.amount = .duration(.milliseconds(300))
            options.onLoop = true
            let told = Lock<[BenchmarkProgress]>([])
            let result = try await bench.run(options) { progress in told.withLock { $0.append(progress) } }
            #expect(result.isComplete && result.duration >= .milliseconds(300) && result.operations > 0)
            let progress = told.withLock { $0 }
            var phases: [BenchmarkProgress.Phase] = []
            for phase in progress.map(\.phase) where phases.last != phase { phases.append(phase) }
            #expect(phases == [.checking, .preparing, .running, .cleaning])
            let running = progress.filter { $0.phase == .running }
            #expect(running.map(\.operations) == running.map(\.operations).sorted())
            #expect(running.contains { $0.operations > 0 && $0.rate > 0 && ($0.fraction ?? 0) > 0 })
            #expect(running.allSatisfy { $0.operations <= result.operations && (0...1).contains($0.fraction ?? 0) })
        }
    }

    @Test func `Allocations are counted if a counter is given`() async throws {
        try await BenchmarkBench.run { bench in
            let count = Lock(0)
            let counting = try Benchmark(bench.configuration, BenchmarkBench.options(.write)) {
                count.withLock { count in
                    count += 250
                    return count
                }
            }
            #expect(try await counting.run().allocationsPerOperation == 2.5)
            #expect(try await bench.run(BenchmarkBench.options(.write)).allocations == nil)
        }
    }
}
