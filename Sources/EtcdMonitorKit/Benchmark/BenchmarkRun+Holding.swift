// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import Synchronization

// Watches and leases.
extension BenchmarkRun {
    /// The number of writers that put the watched keys.
    private static let writers = 32

    /// How long watches or leases stay open.
    var holdTime: Duration {
        if case .duration(let duration) = options.amount { return duration }
        return options.kind == .leases ? .seconds(10) : .zero
    }

    /// Waits until every caller is ready.
    private func waitForCallers(_ ready: AsyncStream<Void>) async throws {
        var waiting = ready.makeAsyncIterator()
        for _ in 0..<options.callers { await waiting.next() }
        try Task.checkCancellation()
    }

    // MARK: Many watchers of the same keys

    func deliverEvents(_ measurement: Measurement) async throws {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.eachCaller { try await self.watchAll($0, measurement, readiness) }
            }
            group.addTask {
                try await self.waitForCallers(ready)
                measurement.restart()
                try await self.putAll(measurement)
            }
            try await group.waitForAll()
        }
    }

    /// Receives all changes until the one without a time.
    private func watchAll(
        _ watcher: Int,
        _ measurement: Measurement,
        _ readiness: AsyncStream<Void>.Continuation
    ) async throws {
        try await clients[watcher % clients.count].withWatch(keys.numbered) { changes in
            readiness.yield()
            var events = changes.makeAsyncIterator()
            var latencies = LatencyBuffer(measurement.recorder, now: Platform.nanoseconds)
            defer { latencies.flush() }
            while let event = try await events.next(), let time = TimeStamp.time(of: event.entry.value), time > 0 {
                let now = Platform.nanoseconds
                latencies.record(now &- time, now: now)
            }
        }
    }

    /// Makes all puts, and finally one without a time.
    private func putAll(_ measurement: Measurement) async throws {
        let schedule = OperationSchedule(options)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<Self.writers { group.addTask { try await self.put(measurement, schedule) } }
            try await group.waitForAll()
        }
        try await clients[0].put(keys.keys[0], TimeStamp.value(value.bytes, time: 0))
    }

    private func put(_ measurement: Measurement, _ schedule: OperationSchedule) async throws {
        let (client, keys, template) = (clients[0], keys.keys, value.bytes)
        var now = Platform.nanoseconds
        while let turn = schedule.take(now: now) {
            if turn.start > now { await Self.wait(until: turn.start, now: now) }
            do throws(EtcdError) {
                try await client.put(keys[turn.number % keys.count], TimeStamp.value(template, time: turn.start))
                measurement.puts.wrappingAdd(1, ordering: .relaxed)
            } catch {
                try record(error, measurement)
            }
            now = Platform.nanoseconds
        }
    }

    // MARK: Many watches, each of a key of its own

    func holdWatches(_ measurement: Measurement) async throws {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await self.eachCaller { try await self.watchOne($0, measurement, readiness) }
            }
            group.addTask {
                try await self.waitForCallers(ready)
                measurement.markOpened()
                try await Task.sleep(for: self.holdTime)
                let template = [UInt8](repeating: 0, count: TimeStamp.size)
                for key in self.keys.keys {
                    try await self.clients[0].put(key, TimeStamp.value(template, time: Platform.nanoseconds))
                }
            }
            try await group.waitForAll()
        }
    }

    private func watchOne(
        _ watcher: Int,
        _ measurement: Measurement,
        _ readiness: AsyncStream<Void>.Continuation
    ) async throws {
        // The opening of very many watches may take longer than a call.
        try await clients[watcher % clients.count].withWatch(.key(keys.keys[watcher])) { changes in
            measurement.opened.wrappingAdd(1, ordering: .relaxed)
            readiness.yield()
            var events = changes.makeAsyncIterator()
            guard let event = try await events.next(), let time = TimeStamp.time(of: event.entry.value) else { return }
            let now = Platform.nanoseconds
            var latencies = LatencyBuffer(measurement.recorder, now: now)
            latencies.record(now &- time, now: now)
            latencies.flush()
        }
    }

    // MARK: Leases

    /// The number of concurrent grants.
    private static let granters = 64

    func holdLeases(_ measurement: Measurement) async throws {
        let (ready, readiness) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for granter in 0..<min(Self.granters, options.callers) {
                group.addTask { try await self.holdLeases(of: granter, measurement, readiness) }
            }
            group.addTask {
                try await self.waitForCallers(ready)
                measurement.markOpened()
                try await Task.sleep(for: self.holdTime)
            }
            // The time has passed, or a lease was not granted.
            try await group.next()
            group.cancelAll()
        }
    }

    /// Grants some of the leases one after the other, and keeps them alive until the task is cancelled.
    private func holdLeases(
        of granter: Int,
        _ measurement: Measurement,
        _ readiness: AsyncStream<Void>.Continuation
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in stride(from: granter, to: options.callers, by: Self.granters) {
                let client = clients[number % clients.count]
                // Before the grant, which may be done although its task is cancelled.
                let id = Lease.ID.random
                leases.withLock { _ = $0.insert(id) }
                let lease = try await grant(id, client, measurement)
                let states = client.leases.keepAlive(lease)
                group.addTask { await Self.count(states, measurement) }
                readiness.yield()
            }
            try await group.waitForAll()
        }
    }

    private func grant(_ id: Lease.ID, _ client: EtcdClient, _ measurement: Measurement) async throws -> Lease {
        let start = Platform.nanoseconds
        let lease = try await client.leases.grant(timeToLive: .seconds(10), id, isRandom: true)
        let now = Platform.nanoseconds
        var latencies = LatencyBuffer(measurement.recorder, now: now)
        latencies.record(now &- start, now: now)
        latencies.flush()
        measurement.opened.wrappingAdd(1, ordering: .relaxed)
        return lease
    }

    /// Counts the renewals of a lease until the task is cancelled.
    private static func count(_ states: KeepAliveSequence, _ measurement: Measurement) async {
        do throws(EtcdError) {
            var states = states.makeAsyncIterator()
            while let state = try await states.next() {
                if state.isActive { measurement.renewals.wrappingAdd(1, ordering: .relaxed) }
            }
        } catch {
            // A lost lease is an error of the run, but does not end it.
            if !Task.isCancelled { measurement.recorder.recordFailure(error.code) }
        }
    }
}
