// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation

/// The only requests that create load on a cluster.
extension MonitorAPI {
    /// Held while a benchmark is started, so that of two requests at the same time one sees the other's benchmark.
    private static let starting = Lock(())

    func startBenchmark(_ request: HTTPRequest) async throws(Problem) -> HTTPResponse {
        guard options.allowBenchmark else {
            let remedy = "set options.allowBenchmark in a service, or --allow-benchmark in the program"
            throw Problem(.benchmarkNotAllowed, "benchmarks create load and must be allowed: \(remedy)")
        }
        let cluster = try cluster(request)
        let benchmark = try JSONBody.read(BenchmarkRequest.self, of: request).options()
        let run = try Self.starting.withLock { _ throws(Problem) in
            try start(benchmark, on: cluster, by: actor(of: request))
        }
        let detail = "measures \(benchmark.kind.rawValue) on \(cluster.name): \(benchmark.amount.text)"
        await note("benchmark.start", run, detail, request)
        var response = try JSONBody.response(Self.object(run, of: cluster.name, withResult: true), status: 202)
        response.headers.add("Location", "\(Self.benchmarkPath)/\(run.id)")
        return response
    }

    private func start(
        _ benchmark: BenchmarkOptions,
        on cluster: any MonitoredCluster,
        by actor: String
    ) throws(Problem) -> BenchmarkRuns.Run {
        // Two concurrent benchmarks would affect each other's figures.
        for other in clusters {
            if let run = other.benchmarks.runs.first, run.state == .running { throw Self.busy(other.name, run) }
        }
        do throws(BenchmarkRuns.Refusal) {
            return try cluster.benchmarks.start(benchmark, by: actor)
        } catch {
            switch error {
            case .busy(let other): throw Self.busy(cluster.name, other)
            case .notRunning: throw Problem(.monitorNotRunning, "the monitor of \(cluster.name) is not running")
            }
        }
    }

    func benchmarkList(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let runs = try chosen(request).flatMap { cluster in cluster.benchmarks.runs.map { (cluster.name, $0) } }
        let sorted = runs.sorted { $0.1.startedAt > $1.1.startedAt }
        let objects = sorted.map { Self.object($0.1, of: $0.0, withResult: false) }
        return try JSONBody.response(["benchmarks": objects] as JSONBody.Object)
    }

    func benchmark(_ request: HTTPRequest) throws(Problem) -> HTTPResponse {
        let (cluster, run) = try benchmarkRun(request)
        return try JSONBody.response(Self.object(run, of: cluster.name, withResult: true))
    }

    func cancelBenchmark(_ request: HTTPRequest) async throws(Problem) -> HTTPResponse {
        let (cluster, run) = try benchmarkRun(request)
        // Cancelling a benchmark that has ended succeeds.
        if cluster.benchmarks.cancel(run.id) {
            await note("benchmark.cancel", run, "stops the benchmark of \(cluster.name)", request)
        }
        return HTTPResponse(204)
    }

    private static let benchmarkPath = "/api/v1/performance/benchmark"

    private func benchmarkRun(
        _ request: HTTPRequest
    ) throws(Problem) -> (cluster: any MonitoredCluster, run: BenchmarkRuns.Run) {
        let id = Route.parameter(of: request.path)
        for cluster in clusters {
            if let run = cluster.benchmarks.runs.first(where: { $0.id == id }) { return (cluster, run) }
        }
        throw Problem(.unknownBenchmark, "no benchmark \(Problem.escaped(id).prefix(100))")
    }

    private func note(_ action: String, _ run: BenchmarkRuns.Run, _ detail: String, _ request: HTTPRequest) async {
        await alerts?.record(AuditRecord(actor: actor(of: request), action: action, subject: run.id, detail: detail))
    }

    private static func busy(_ cluster: String, _ run: BenchmarkRuns.Run) -> Problem {
        Problem(.benchmarkRuns, "the benchmark \(run.id) of \(cluster) is running; DELETE stops it")
    }

    private static func object(
        _ run: BenchmarkRuns.Run,
        of cluster: String,
        withResult: Bool
    ) -> JSONBody.Object {
        [
            "id": run.id, "cluster": cluster, "type": run.options.kind, "state": run.state, "createdBy": run.actor,
            "startedAt": run.startedAt, "endedAt": run.endedAt, "reason": run.reason,
            "progress": run.state == .running ? run.progress.map(object) : nil,
            "result": withResult ? run.result : nil,
        ]
    }

    private static func object(_ progress: BenchmarkProgress) -> JSONBody.Object {
        [
            "phase": progress.phase.rawValue, "operations": progress.operations, "errors": progress.errors,
            "elapsedSeconds": progress.elapsed / .seconds(1), "operationsPerSecond": progress.rate,
            "fraction": progress.fraction, "p50Seconds": progress.p50.map { $0 / .seconds(1) },
            "p99Seconds": progress.p99.map { $0 / .seconds(1) },
        ]
    }
}

extension BenchmarkOptions.Amount {
    fileprivate var text: String {
        switch self {
        case .operations(let count): "\(count) operations"
        case .duration(let time): "\(time.components.seconds) s"
        }
    }
}
