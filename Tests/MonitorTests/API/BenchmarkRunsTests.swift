// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Testing

@testable import EtcdMonitorKit

@Suite("MonitorAPI: its benchmarks", .unit, .timeLimit(.minutes(1)))
struct BenchmarkRunsTests {
    /// A benchmark that says that it runs, and then waits for its cancellation and cleans up.
    private static func untilCancelled(_ cleaned: Lock<Int>) -> BenchmarkRuns.Measure {
        { options, report throws(BenchmarkError) in
            report(BenchmarkProgress(phase: .running, operations: 7, elapsed: .seconds(1)))
            while !Task.isCancelled { await Task.pause(for: .milliseconds(1)) }
            cleaned.withLock { $0 += 1 }
            var error = BenchmarkError(.cancelled, "the benchmark was cancelled")
            error.result = BenchmarkResult(options: options)
            throw error
        }
    }

    /// Lends benchmarks that are run to `body`.
    private func running(_ runs: BenchmarkRuns, _ body: () async throws -> Void) async throws {
        let owner = Task { await runs.run() }
        #expect(await eventually { (try? runs.start(BenchmarkOptions(), by: "anna")) != nil })
        try await body()
        owner.cancel()
        await owner.value
    }

    @Test("a finished benchmark has its result, and the next one can start")
    func finishes() async throws {
        let runs = BenchmarkRuns { options, _ throws(BenchmarkError) in
            if options.seed == 9 { throw BenchmarkError(.prefixNotEmpty, "there are\nkeys") }
            return BenchmarkResult(options: options)
        }
        #expect(throws: BenchmarkRuns.Refusal.self, "no task runs benchmarks yet") {
            try runs.start(BenchmarkOptions(), by: "")
        }
        try await running(runs) {
            #expect(await eventually { runs.runs.first?.state == .finished })
            #expect(runs.runs.first?.result != nil && runs.runs.first?.endedAt != nil)
            var options = BenchmarkOptions()
            options.seed = 9
            _ = try runs.start(options, by: "ben")
            #expect(await eventually { runs.runs.first?.state == .failed })
            #expect(runs.runs.first?.reason == "there are keys" && runs.runs.map(\.actor) == ["ben", "anna"])
            for _ in 0..<30 {
                _ = try runs.start(BenchmarkOptions(), by: "")
                #expect(await eventually { runs.runs.first?.state == .finished })
            }
            #expect(runs.runs.count == BenchmarkRuns.memory)
        }
        #expect(throws: BenchmarkRuns.Refusal.self) { try runs.start(BenchmarkOptions(), by: "") }
    }

    @Test("a running benchmark prevents others until it is stopped and has cleaned up")
    func cancels() async throws {
        let cleaned = Lock(0)
        let runs = BenchmarkRuns(measure: Self.untilCancelled(cleaned))
        try await running(runs) {
            let id = try #require(runs.runs.first?.id)
            #expect(await eventually { runs.runs.first?.progress?.operations == 7 })
            #expect(throws: BenchmarkRuns.Refusal.self) { try runs.start(BenchmarkOptions(), by: "ben") }
            #expect(!runs.cancel("other") && runs.runs.first?.state == .running)
            #expect(runs.cancel(id))
            #expect(await eventually { runs.runs.first?.state == .cancelled })
            #expect(cleaned.withLock { $0 } == 1)
            #expect(runs.runs.first?.reason == "it was cancelled" && runs.runs.first?.result != nil)
            #expect(!runs.cancel(id))
            _ = try runs.start(BenchmarkOptions(), by: "ben")
            #expect(await eventually { runs.runs.first?.progress != nil })
        }
        // The end of the owner stopped the second one.
        #expect(cleaned.withLock { $0 } == 2 && runs.runs.first?.state == .cancelled)
        #expect(runs.runs.first?.reason == "the monitor has ended")
    }

    @Test("the end of a benchmark takes away the means to stop it, which would not stop the next one")
    func end() {
        var core = BenchmarkRuns.Core()
        let run = BenchmarkRuns.Run(options: BenchmarkOptions(), actor: "anna")
        core.runs = [run]
        core.stop = AsyncStream.makeStream(of: Void.self).continuation
        core.end(run.id, .finished, nil)
        #expect(core.stop == nil && core.runs.map(\.state) == [.finished])
    }

    @Test("a benchmark that takes too long is stopped")
    func limit() async throws {
        let cleaned = Lock(0)
        let runs = BenchmarkRuns(limit: .milliseconds(50), measure: Self.untilCancelled(cleaned))
        try await running(runs) {
            #expect(await eventually { runs.runs.first?.state == .failed })
            #expect(
                cleaned.withLock { $0 } == 1 && runs.runs.first?.reason?.hasPrefix("it took more than") == true
            )
        }
    }
}
