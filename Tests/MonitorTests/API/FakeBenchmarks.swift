// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

@testable import EtcdMonitorKit

/// Benchmarks that the test makes; one that is started is over at once.
final class FakeBenchmarks: BenchmarkSource {
    private let state: Lock<[BenchmarkRuns.Run]>

    init(_ runs: [BenchmarkRuns.Run] = [.sample]) { state = Lock(runs) }

    var runs: [BenchmarkRuns.Run] { state.withLock { $0 } }

    func start(_ options: BenchmarkOptions, by actor: String) throws(BenchmarkRuns.Refusal) -> BenchmarkRuns.Run {
        let run = BenchmarkRuns.Run(options: options, actor: actor)
        var over = run
        over.state = .finished
        over.endedAt = Date()
        state.withLock { $0.insert(over, at: 0) }
        return run
    }

    func cancel(_ id: String) -> Bool {
        state.withLock { runs in
            guard let place = runs.firstIndex(where: { $0.id == id && $0.state == .running }) else { return false }
            runs[place].state = .cancelled
            return true
        }
    }
}

extension BenchmarkRuns.Run {
    /// One that has finished.
    static var sample: BenchmarkRuns.Run {
        var run = BenchmarkRuns.Run(options: BenchmarkOptions(.write), actor: "ops")
        run.id = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
        run.state = .finished
        run.startedAt = Date(timeIntervalSince1970: 1_700_000_000.25)
        run.endedAt = Date(timeIntervalSince1970: 1_700_000_010.25)
        run.result = .sample()
        return run
    }
}
