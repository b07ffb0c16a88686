// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Foundation
import Synchronization

/// One run of a benchmark, from the first check of the cluster to the deletion of the last key.
final class BenchmarkRun: Sendable {
    /// The options, with the prefix of this run.
    let options: BenchmarkOptions
    let configuration: EtcdClient.Configuration
    let progress: ProgressReporter
    /// The measured clients, at least one.
    let clients: [EtcdClient]
    /// Checks the cluster and cleans up.
    ///
    /// It does not wait when a connection is refused.
    let observer: EtcdClient
    let keys: BenchmarkKeys
    /// Distinguishes this run from all others.
    let id: String
    let value: Value
    let leases = Lock<Set<Lease.ID>>([])
    /// The progress of the phase before the measurement.
    let prepared = Atomic(0)
    private let allocationCount: (@Sendable () -> Int)?

    init(_ benchmark: Benchmark, _ progress: ProgressReporter) throws(EtcdError) {
        id = String(UInt64.random(in: .min ... .max), radix: 16)
        var options = benchmark.options
        var prefix = options.prefix ?? Key("etcd-kit-benchmark/\(id)/")
        if prefix.bytes.last != UInt8(ascii: "/") { prefix.bytes.append(UInt8(ascii: "/")) }
        options.prefix = prefix
        self.options = options
        self.progress = progress
        configuration = benchmark.configuration
        allocationCount = benchmark.allocationCount
        keys = BenchmarkKeys(options, prefix: prefix)
        value = Value(bytes: [UInt8](repeating: UInt8(ascii: "x"), count: options.valueSize))
        var clients: [EtcdClient] = []
        for _ in 0..<options.connections { clients.append(try EtcdClient(configuration)) }
        self.clients = clients
        var observing = configuration
        observing.waitsForConnection = false
        observing.callTimeout = min(configuration.callTimeout, .seconds(5))
        observing.retry = RetryPolicy(maximumAttempts: 2)
        observing.onEvent = nil
        observer = try EtcdClient(observing)
    }

    /// Runs it once.
    func perform() async throws(BenchmarkError) -> BenchmarkResult {
        var result: BenchmarkResult?
        var failure: BenchmarkError?
        var admission: Admission?
        do {
            let admitted = try await admit()
            admission = admitted
            try await prepare()
            (result, failure) = await measure(admitted)
        } catch {
            failure = Self.explain(error)
        }
        if let admission {
            // In a task that is not cancelled with this one.
            let isHopeless = failure?.reason == .unreachable || result?.isComplete == false && failure == nil
            let isCutShort = failure != nil || result.map { !$0.isComplete || $0.errorCount > 0 } ?? true
            let limit: Duration = isHopeless ? .seconds(5) : .seconds(30)
            let ending = await Task { await self.cleanUp(within: limit, isCutShort: isCutShort) }.value
            failure?.cleanupFailure = ending.failure
            result?.cleanupFailure = ending.failure
            result?.databaseSize = ending.databaseSize
            result?.revisions = max(0, (ending.revision ?? 0).rawValue - admission.revision.rawValue)
        }
        await withDiscardingTaskGroup { group in
            for client in clients + [observer] { group.addTask { await client.close() } }
        }
        if var failure {
            if let result, result.operations + result.errorCount > 0 { failure.result = result }
            throw failure
        }
        guard let result else { throw BenchmarkError(.cancelled, "the benchmark was cancelled") }
        return result
    }

    // MARK: The measurement

    private func measure(_ admission: Admission) async -> (BenchmarkResult, BenchmarkError?) {
        let measurement = Measurement(options, allocationCount)
        var failure: BenchmarkError?
        var isComplete = true
        do {
            try await supervise(phase, measurement.figures) {
                try await withTaskExecutorPreference(self.options.onLoop ? EtcdClient.executor : nil) {
                    try await self.work(measurement)
                }
            }
        } catch is BenchmarkStalled {
            isComplete = false
        } catch {
            failure = Self.explain(error)
            isComplete = false
        }
        var result = measurement.finish()
        result.isComplete = isComplete
        result.servers = admission.servers
        return (result, failure)
    }

    private var phase: ProgressReporter.Phase {
        var phase = ProgressReporter.Phase(phase: .running)
        var patience = configuration.callTimeout.bounded + .seconds(2)
        switch (options.kind, options.amount) {
        case (.leases, _): phase.duration = holdTime
        case (.watches, _):
            phase.total = options.callers
            patience += holdTime
        case (.watch, .operations(let count)):
            let events = count.multipliedReportingOverflow(by: options.callers)
            phase.total = events.overflow ? nil : events.partialValue
        case (_, .operations(let count)): phase.total = count
        case (_, .duration(let duration)): phase.duration = duration
        }
        if let rate = options.rate { patience += .seconds(min(1 / rate, 1e9)) }
        phase.patience = patience
        return phase
    }

    private func work(_ measurement: Measurement) async throws {
        switch options.kind {
        case .write, .read, .range, .mixed, .delete, .txn: try await makeCalls(measurement)
        case .lock: try await takeLocks(measurement)
        case .watch: try await deliverEvents(measurement)
        case .watches: try await holdWatches(measurement)
        case .leases: try await holdLeases(measurement)
        }
    }

    /// Runs a phase, reports its progress, and ends it when a database is nearly full.
    func supervise(
        _ phase: ProgressReporter.Phase,
        _ figures: @escaping @Sendable () -> ProgressReporter.Figures,
        _ work: @escaping @Sendable () async throws -> Void
    ) async throws {
        progress.begin(phase)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await self.progress.follow(phase, figures)
                return false
            }
            group.addTask {
                try await self.guardDatabases()
                return false
            }
            group.addTask {
                try await work()
                return true
            }
            while let isDone = try await group.next() {
                if isDone { break }
            }
            group.cancelAll()
        }
        try Task.checkCancellation()
    }
}
