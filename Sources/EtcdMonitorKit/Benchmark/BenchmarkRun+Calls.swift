// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns
import Synchronization

// The preparation, and the operations of callers.
extension BenchmarkRun {
    // MARK: Preparations

    /// Connects all clients, and writes the keys to read or delete.
    func prepare() async throws {
        let entries = options.needsEntries ? keys.keys.count : 0
        var phase = ProgressReporter.Phase(phase: .preparing, total: entries == 0 ? nil : entries)
        phase.patience = configuration.callTimeout.bounded + .seconds(2)
        let figures: @Sendable () -> ProgressReporter.Figures = {
            let count = self.prepared.load(ordering: .relaxed)
            return ProgressReporter.Figures(operations: count, successes: count)
        }
        try await supervise(phase, figures) {
            try await self.eachInParallel(self.clients.count) { number in
                _ = try await self.clients[number].get(self.keys.marker)
            }
            if entries > 0 { try await self.writeEntries() }
        }
    }

    private func writeEntries() async throws {
        let size = options.valueSize + options.keySize + keys.prefix.bytes.count
        let batch = max(1, min(100, (1 << 20) / max(size, 1)))
        let batches = (keys.keys.count + batch - 1) / batch
        try await eachInParallel(batches, width: 8) { number in
            let part = self.keys.keys[(number * batch)..<min((number + 1) * batch, self.keys.keys.count)]
            try await self.clients[number % self.clients.count].transaction(then: part.map { .put($0, self.value) })
            self.prepared.wrappingAdd(part.count, ordering: .relaxed)
        }
    }

    /// Calls a closure for each number below `count`, some of them concurrently.
    func eachInParallel(
        _ count: Int,
        width: Int = 64,
        _ body: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let numbers = NumberSequence()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<min(width, count) {
                group.addTask {
                    while let number = numbers.next(below: count) {
                        try await body(number)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    // MARK: Calls

    func makeCalls(_ measurement: Measurement) async throws {
        let schedule = OperationSchedule(options)
        // Each key is deleted once, so the order is drawn beforehand.
        var order = Array(0..<(options.kind == .delete ? keys.keys.count : 0))
        if options.kind == .delete, options.keyOrder == .random {
            var random = SplitMix64(seed: options.seed)
            order.shuffle(using: &random)
        }
        try await eachCaller { [order] caller in
            try await self.call(caller, measurement, schedule, order)
        }
    }

    /// The number of tasks in a group.
    ///
    /// Swift searches all tasks of a group for one that ends.
    private static let groupSize = 128

    /// Runs all callers concurrently.
    ///
    /// The first error ends the others.
    func eachCaller(_ body: @escaping @Sendable (Int) async throws -> Void) async throws {
        let count = options.callers
        try await withThrowingTaskGroup(of: Void.self) { groups in
            for start in stride(from: 0, to: count, by: Self.groupSize) {
                groups.addTask {
                    try await withThrowingTaskGroup(of: Void.self) { group in
                        for caller in start..<min(start + Self.groupSize, count) {
                            group.addTask { try await body(caller) }
                        }
                        try await group.waitForAll()
                    }
                }
            }
            try await groups.waitForAll()
        }
    }

    /// Makes operations until the schedule is finished.
    private func call(
        _ caller: Int,
        _ measurement: Measurement,
        _ schedule: OperationSchedule,
        _ order: [Int]
    ) async throws {
        let client = clients[caller % clients.count]
        let (kind, keys, value, readRatio) = (options.kind, keys.keys, value, options.readRatio)
        let isRandom = options.keyOrder == .random && kind != .delete
        let serializable = options.serializable
        var random = SplitMix64(seed: options.seed &+ UInt64(caller))
        var rangeOptions = RangeOptions()
        rangeOptions.limit = options.rangeLimit
        rangeOptions.serializable = serializable
        let end = self.keys.end

        var now = Platform.nanoseconds
        var latencies = LatencyBuffer(measurement.recorder, now: now)
        defer { latencies.flush() }
        while let turn = schedule.take(now: now) {
            if turn.start > now { await Self.wait(until: turn.start, now: now) }
            let index = isRandom ? Int(random.next(upperBound: UInt64(keys.count))) : turn.number % keys.count
            let key = keys[kind == .delete ? order[index] : index]
            do throws(EtcdError) {
                switch kind {
                case .read: _ = try await client.get(key, serializable: serializable)
                case .range: _ = try await client.range(.between(key, end), options: rangeOptions)
                case .mixed where Double.random(in: 0..<1, using: &random) < readRatio:
                    _ = try await client.get(key, serializable: serializable)
                case .delete: try await client.delete(key)
                case .txn:
                    // The condition always holds, as in other benchmarks.
                    try await client.transaction(if: [.version(key) > -1], then: [.put(key, value)], else: [.get(key)])
                default: try await client.put(key, value)
                }
                now = Platform.nanoseconds
                latencies.record(now &- turn.start, now: now)
            } catch {
                now = Platform.nanoseconds
                try record(error, measurement)
            }
        }
    }

    /// Counts an error, or throws it if the run cannot continue.
    func record(_ error: any Error, _ measurement: Measurement) throws {
        if Task.isCancelled { throw CancellationError() }
        let code = (error as? EtcdError)?.code
        switch code {
        case .noSpace, .permissionDenied: throw error
        case let code?: measurement.recorder.recordFailure(code)
        case nil: measurement.recorder.recordFailure(.server)
        }
    }

    /// Waits for the intended start of an operation.
    static func wait(until start: UInt64, now: UInt64) async {
        try? await Task.sleep(for: Duration(nanoseconds: start - now), tolerance: .zero)
    }

    // MARK: Locks

    func takeLocks(_ measurement: Measurement) async throws {
        var sessions: [Session] = []
        do {
            for client in clients { sessions.append(try await Session(client, timeToLive: .seconds(30))) }
        } catch {
            await close(sessions)
            throw error
        }
        let outcome: Result<Void, any Error>
        do {
            measurement.restart()
            let schedule = OperationSchedule(options)
            try await eachCaller { [sessions] caller in
                try await self.takeLocks(sessions[caller % sessions.count], measurement, schedule)
            }
            outcome = .success(())
        } catch {
            outcome = .failure(error)
        }
        await close(sessions)
        try outcome.get()
    }

    private func takeLocks(_ session: Session, _ measurement: Measurement, _ schedule: OperationSchedule) async throws {
        var now = Platform.nanoseconds
        var latencies = LatencyBuffer(measurement.recorder, now: now)
        defer { latencies.flush() }
        while let turn = schedule.take(now: now) {
            if turn.start > now { await Self.wait(until: turn.start, now: now) }
            do {
                let grant = try await DistributedLock("\(keys.lock(turn.number))", on: .session(session)).acquire()
                await grant.release()
                now = Platform.nanoseconds
                latencies.record(now &- turn.start, now: now)
            } catch {
                now = Platform.nanoseconds
                try record(error, measurement)
            }
        }
    }

    private func close(_ sessions: [Session]) async {
        await withDiscardingTaskGroup { group in
            for session in sessions { group.addTask { await session.close() } }
        }
    }
}
