// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

/// What clients with default settings see of a fault: each reads, writes, watches and keeps a lease, and each begins with
/// another member, so that one of them has to do with the member that is harmed.
final class FaultTrial: Sendable {
    struct Read: Sendable {
        let start: ContinuousClock.Instant
        let duration: Duration
        let error: EtcdError?
    }

    private struct State {
        var reads: [Read] = []
        var writeErrors: [EtcdError] = []
        var acknowledgedMarks: [Key: ContinuousClock.Instant] = [:]
        var seenMarks: [Key: [ContinuousClock.Instant]] = [:]
        var watchErrors: [EtcdError] = []
        var leaseErrors: [EtcdError] = []
    }

    let log = EventLog()
    private let state = Lock(State())
    private let clients: [EtcdClient]

    init(_ endpoints: [String]) throws {
        clients = try endpoints.indices.map { [log] index in
            try EtcdClient(log.configuration(Array(endpoints[index...] + endpoints[..<index])))
        }
    }

    var reads: [Read] { state.withLock { $0.reads } }
    var writeErrors: [EtcdError] { state.withLock { $0.writeErrors } }
    var watchErrors: [EtcdError] { state.withLock { $0.watchErrors } }
    var leaseErrors: [EtcdError] { state.withLock { $0.leaseErrors } }

    /// How long after its acknowledgement each watch has seen each mark; nil for never.
    var markDelays: [Duration?] {
        state.withLock { state in
            state.acknowledgedMarks.flatMap { mark, time in
                let seen = state.seenMarks[mark] ?? []
                return clients.indices.map { $0 < seen.count ? max(seen[$0] - time, .zero) : nil }
            }
        }
    }

    /// Has all of it going on while `body` runs.
    func run(_ body: () async throws -> Void) async throws {
        var tasks: [Task<Void, Never>] = []
        for client in clients {
            for number in 0..<3 {
                tasks.append(Task { await self.read(client) })
                tasks.append(Task { await self.write(client, number) })
            }
            tasks.append(Task { await self.watch(client) })
            let lease = try await client.leases.grant(timeToLive: .seconds(15))
            tasks.append(Task { await self.keep(lease, client) })
        }
        tasks.append(Task { await self.mark() })
        do {
            try await eventually("every watch has seen a mark") {
                self.state.withLock { $0.seenMarks.values.contains { $0.count == self.clients.count } }
            }
            try await body()
            try await eventually(within: .seconds(20), "every mark is seen") { !self.markDelays.contains { $0 == nil } }
        } catch {
            await end(tasks)
            throw error
        }
        await end(tasks)
    }

    private func end(_ tasks: [Task<Void, Never>]) async {
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
        for client in clients { await client.close() }
    }

    private func read(_ client: EtcdClient) async {
        while !Task.isCancelled {
            let start = ContinuousClock.now
            var failure: EtcdError?
            do throws(EtcdError) { _ = try await client.get("key") } catch { failure = error }
            if failure?.code == .cancelled { return }
            let read = Read(start: start, duration: .now - start, error: failure)
            state.withLock { $0.reads.append(read) }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func write(_ client: EtcdClient, _ number: Int) async {
        while !Task.isCancelled {
            do throws(EtcdError) { try await client.put("key", "\(number)") } catch {
                if error.code == .cancelled { return }
                state.withLock { $0.writeErrors.append(error) }
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    /// Puts keys that all watches are to see, about one a second.
    private func mark() async {
        var number = 0
        while !Task.isCancelled {
            number += 1
            let mark = Key("marks/\(number)")
            if (try? await clients[number % clients.count].put(mark, "")) != nil {
                let now = ContinuousClock.now
                state.withLock { $0.acknowledgedMarks[mark] = now }
            }
            try? await Task.sleep(for: .seconds(1))
        }
    }

    private func watch(_ client: EtcdClient) async {
        do throws(EtcdError) {
            for try await event in client.watch(.prefix("marks/"), from: 1) {
                let now = ContinuousClock.now
                state.withLock { $0.seenMarks[event.key, default: []].append(now) }
            }
        } catch {
            if error.code != .cancelled { state.withLock { $0.watchErrors.append(error) } }
        }
    }

    private func keep(_ lease: Lease, _ client: EtcdClient) async {
        do throws(EtcdError) {
            for try await _ in client.leases.keepAlive(lease) {}
        } catch {
            if error.code != .cancelled { state.withLock { $0.leaseErrors.append(error) } }
        }
    }
}
