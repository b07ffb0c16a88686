// SPDX-License-Identifier: Apache-2.0

import EtcdTesting
import Testing

@testable import EtcdKit

/// A client with default settings that reads, writes, watches and keeps a lease while a fault lasts.
///
/// Its watch and its lease begin at a member of choice, its `home`; calls go to all members.
final class FaultTrial: Sendable {
    struct Call: Sendable {
        let start: ContinuousClock.Instant
        let duration: Duration
        let error: EtcdError?
    }

    private struct State {
        var reads: [Call] = []
        var writes: [Call] = []
        /// When the writes began that have no outcome yet, by their writers.
        var pendingWrites: [Int: ContinuousClock.Instant] = [:]
        var seenMarks: [Key: ContinuousClock.Instant] = [:]
        var ends: [EtcdError] = []
    }

    static let workers = 2

    let client: EtcdClient
    let log: EventLog
    /// The member at which the watch and the lease have begun.
    let home: Endpoint
    private let state = Lock(State())

    /// Has all of it going on in `field` while `body` runs.
    static func run(
        at home: Int,
        in field: FaultField,
        timeToLive: Duration,
        _ body: (FaultTrial) async throws -> Void
    ) async throws {
        let log = EventLog()
        try await withEtcdClient(log.configuration(field.endpoints)) { client in
            let trial = FaultTrial(client, log, try Endpoint(field.endpoints[home]))
            let others = field.proxies.indices.filter { $0 != home }.map { field.proxies[$0] }
            for proxy in others { await proxy.stall() }
            let lease = try await client.leases.grant(timeToLive: timeToLive)
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask { await trial.watch() }
                group.addTask { await trial.keep(lease) }
                try await client.put("marks/first", "")
                try await eventually("the watch and the lease are at their member") {
                    let leaseHome = await trial.leaseHome
                    return leaseHome == trial.home && trial.hasSeen("marks/first") != nil
                }
                for proxy in others { await proxy.resume() }
                try await eventually("all members are connected") { await client.core.channel.links.count == 3 }
                for number in 0..<workers {
                    group.addTask { await trial.read() }
                    group.addTask { await trial.write(number) }
                }
                try await body(trial)
                group.cancelAll()
            }
        }
    }

    private init(_ client: EtcdClient, _ log: EventLog, _ home: Endpoint) {
        (self.client, self.log, self.home) = (client, log, home)
    }

    var reads: [Call] { state.withLock { $0.reads } }
    var writes: [Call] { state.withLock { $0.writes } }
    /// Errors with which the watch or the lease has ended.
    var ends: [EtcdError] { state.withLock { $0.ends } }
    /// Where the lease is renewed.
    var leaseHome: Endpoint? { get async { await client.core.leaseKeeper.streams.first?.endpoint } }

    /// When the watch has delivered a mark.
    func hasSeen(_ mark: Key) -> ContinuousClock.Instant? { state.withLock { $0.seenMarks[mark] } }

    /// Whether a write waits, after ten seconds at most, for the member that stands still: the others answer what their
    /// client `witness` asks later.
    func writeWaits(_ witness: EtcdClient) async -> Bool {
        await eventually(within: .seconds(10)) {
            // On a busy machine, a write to one of the others can take as long as one or two of the witness.
            let start = ContinuousClock.now - .seconds(1)
            let pending = self.state.withLock { $0.pendingWrites.filter { $0.value < start } }
            // One for each of the others.
            for _ in 0..<2 {
                let error = await failure { () throws(EtcdError) in try await witness.put("key", "witness") }
                if error != nil { return false }
            }
            return self.state.withLock { state in pending.contains { state.pendingWrites[$0.key] == $0.value } }
        }
    }

    // MARK: Things that go on

    private func read() async {
        while !Task.isCancelled {
            let start = ContinuousClock.now
            let error = await failure { () throws(EtcdError) in _ = try await self.client.get("key") }
            if error?.code == .cancelled { return }
            let call = Call(start: start, duration: .now - start, error: error)
            state.withLock { $0.reads.append(call) }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func write(_ number: Int) async {
        while !Task.isCancelled {
            let start = ContinuousClock.now
            state.withLock { $0.pendingWrites[number] = start }
            let error = await failure { () throws(EtcdError) in try await self.client.put("key", "\(number)") }
            if error?.code == .cancelled { return }
            let call = Call(start: start, duration: .now - start, error: error)
            state.withLock { state in
                state.pendingWrites[number] = nil
                state.writes.append(call)
            }
            try? await Task.sleep(for: .milliseconds(20))
        }
    }

    private func watch() async {
        await noteEnd { () throws(EtcdError) in
            for try await event in self.client.watch(.prefix("marks/"), from: 1) {
                let now = ContinuousClock.now
                self.state.withLock { $0.seenMarks[event.key] = now }
            }
        }
    }

    private func keep(_ lease: Lease) async {
        await noteEnd { () throws(EtcdError) in
            for try await _ in self.client.leases.keepAlive(lease) {}
        }
    }

    private func noteEnd(_ body: () async throws(EtcdError) -> Void) async {
        guard let error = await failure(of: body), error.code != .cancelled else { return }
        state.withLock { $0.ends.append(error) }
    }
}

/// The error that `operation` throws, if any.
func failure(of operation: () async throws(EtcdError) -> Void) async -> EtcdError? {
    do throws(EtcdError) {
        try await operation()
        return nil
    } catch {
        return error
    }
}
