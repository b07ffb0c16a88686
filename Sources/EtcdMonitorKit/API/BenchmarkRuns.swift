// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The benchmarks of a cluster as the API sees them; ``BenchmarkRuns`` documents the members.
protocol BenchmarkSource: Sendable {
    var runs: [BenchmarkRuns.Run] { get }

    func start(_ options: BenchmarkOptions, by actor: String) throws(BenchmarkRuns.Refusal) -> BenchmarkRuns.Run
    func cancel(_ id: String) -> Bool
}

/// The benchmarks that clients requested through the API.
///
/// One runs at a time, as a part of ``run()``.
final class BenchmarkRuns: BenchmarkSource {
    typealias Measure =
        @Sendable (BenchmarkOptions, @escaping @Sendable (BenchmarkProgress) -> Void) async throws(BenchmarkError) ->
        BenchmarkResult

    /// The state of a benchmark.
    enum State: String, Sendable, CaseIterable, Encodable {
        case running, finished, failed, cancelled
    }

    /// A benchmark.
    struct Run: Sendable {
        var id = UUID().uuidString.lowercased()
        let options: BenchmarkOptions
        /// The name of the token that requested it.
        let actor: String
        var startedAt = Date()
        var endedAt: Date?
        var state = State.running
        var progress: BenchmarkProgress?
        /// The figures; if it has not finished, those until it stopped.
        var result: BenchmarkResult?
        /// The reason why it has not finished.
        var reason: String?
    }

    /// The reason why a benchmark does not start.
    enum Refusal: Error {
        /// Another benchmark is running.
        case busy(Run)
        /// ``run()`` is not running, so nothing can run a benchmark.
        case notRunning
    }

    struct Core {
        /// The newest last.
        var runs: [Run] = []
        /// Receives the benchmarks to run; nil while ``run()`` is not running.
        var orders: AsyncStream<Run>.Continuation?
        /// Receives the request to stop the newest benchmark, while it runs.
        var stop: AsyncStream<Void>.Continuation?
    }

    private enum Event: Sendable {
        case measured(Result<BenchmarkResult, BenchmarkError>)
        case stopped(State, String)
        /// The task was cancelled.
        case ended
    }

    private static let cancelled = "it was cancelled"
    /// The number of benchmarks that are kept.
    static let memory = 20

    private let core = Lock(Core())
    private let limit: Duration
    private let measure: Measure

    /// Makes a list of benchmarks.
    ///
    /// None runs before ``run()``.
    ///
    /// - Parameters:
    ///   - limit: The longest time of a benchmark, including its preparation.
    ///   - measure: Runs a benchmark.
    init(limit: Duration = .seconds(300), measure: @escaping Measure) {
        self.limit = limit
        self.measure = measure
    }

    /// The benchmarks, the newest first.
    var runs: [Run] { core.withLock { $0.runs.reversed() } }

    /// Starts a benchmark.
    func start(_ options: BenchmarkOptions, by actor: String) throws(Refusal) -> Run {
        try core.withLock { core throws(Refusal) in
            guard let orders = core.orders else { throw .notRunning }
            if let other = core.runs.last, other.state == .running { throw .busy(other) }
            let run = Run(options: options, actor: actor)
            core.runs = Array((core.runs + [run]).suffix(Self.memory))
            orders.yield(run)
            return run
        }
    }

    /// Requests that a benchmark stop.
    ///
    /// - Returns: Whether it was running.
    func cancel(_ id: String) -> Bool {
        core.withLock { core in
            guard let run = core.runs.last, run.id == id, run.state == .running else { return false }
            // A benchmark without a stream has not started, and will not start.
            core.stop?.finish()
            if core.stop == nil { core.end(id, .cancelled, Self.cancelled) }
            return true
        }
    }

    /// Runs the requested benchmarks until the task is cancelled.
    ///
    /// The running one then cleans up first.
    func run() async {
        let (orders, continuation) = AsyncStream.makeStream(of: Run.self)
        core.withLock { $0.orders = continuation }
        for await run in orders { await carryOut(run) }
        core.withLock { core in
            core.orders = nil
            // A benchmark that was requested meanwhile.
            if let run = core.runs.last, run.state == .running { core.end(run.id, .cancelled, "the monitor has ended") }
        }
    }

    private func carryOut(_ run: Run) async {
        let (stops, stop) = AsyncStream.makeStream(of: Void.self)
        let isWanted = core.withLock { core in
            guard core.runs.contains(where: { $0.id == run.id && $0.state == .running }) else { return false }
            core.stop = stop
            return true
        }
        guard isWanted else { return }
        var outcome: Result<BenchmarkResult, BenchmarkError>?
        var end: (state: State, reason: String)?
        await withTaskGroup(of: Event.self) { group in
            group.addTask { .measured(await self.outcome(of: run)) }
            group.addTask {
                for await _ in stops {}
                return Task.isCancelled ? .ended : .stopped(.cancelled, Self.cancelled)
            }
            group.addTask { [limit] in
                try? await Task.sleep(for: limit)
                return Task.isCancelled
                    ? .ended : .stopped(.failed, "it took more than \(limit.components.seconds) s")
            }
            for await event in group {
                switch event {
                case .measured(let result): outcome = result
                case .stopped(let state, let reason): if outcome == nil { end = (state, reason) }
                case .ended: break
                }
                group.cancelAll()
            }
        }
        core.withLock { core in
            switch outcome {
            case .success(let result): core.end(run.id, .finished, nil, result)
            case .failure(let error):
                let isEnd = error.reason == .cancelled
                let other = (isEnd ? State.cancelled : .failed, isEnd ? "the monitor has ended" : error.message)
                let (state, reason) = end ?? other
                let texts = [reason, error.cleanupFailure].compactMap(\.self)
                core.end(run.id, state, texts.joined(separator: "; "), error.result)
            case nil: break
            }
        }
    }

    private func outcome(of run: Run) async -> Result<BenchmarkResult, BenchmarkError> {
        do throws(BenchmarkError) {
            return .success(
                try await measure(run.options) { progress in
                    self.core.withLock { core in
                        guard let last = core.runs.indices.last, core.runs[last].id == run.id else { return }
                        core.runs[last].progress = progress
                    }
                }
            )
        } catch {
            return .failure(error)
        }
    }
}

extension BenchmarkRuns.Core {
    mutating func end(
        _ id: String,
        _ state: BenchmarkRuns.State,
        _ reason: String?,
        _ result: BenchmarkResult? = nil
    ) {
        // The next benchmark may start at once, and this one's stream would not stop it.
        stop = nil
        guard let place = runs.firstIndex(where: { $0.id == id }) else { return }
        runs[place].state = state
        runs[place].endedAt = Date()
        runs[place].reason = reason?.oneLine
        runs[place].result = result
    }
}
