// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Deletes keys that were given up, in the background, until it is closed; the rest end with the lease.
final class KeyCleanup: Sendable {
    struct State {
        var tasks: [Key: (number: Int, task: Task<Void, Never>)] = [:]
        var lastNumber = 0
        /// Keys that a late put may create, each with its expiry, by their prefixes.
        var lateKeys: [Key: [Key: ContinuousClock.Instant]] = [:]
        var isClosed = false
    }

    private let client: EtcdClient
    private let witness: StoreWitness
    private let retention: Duration
    let state = Lock(State())

    init(_ client: EtcdClient, _ witness: StoreWitness, retention: Duration = .seconds(600)) {
        self.client = client
        self.witness = witness
        self.retention = retention
    }

    deinit {
        for (_, task) in state.withLock({ $0.tasks.values }) { task.cancel() }
    }

    /// Deletes a key that cannot appear again.
    func delete(_ key: Key) {
        run(key) { [witness] client in if await Self.delete(key, client) { witness.gaveUp(key) } }
    }

    /// Deletes a key now and whenever it appears: a put whose outcome is unknown may take effect after its key was deleted.
    ///
    /// Keys that begin with the same `prefix` share one watch. A key is forgotten after ``retention``, so that they do
    /// not accumulate in a bad network: etcd itself drops a request after seconds, and only a member that was frozen
    /// for as long could still execute it.
    func delete(_ key: Key, whenever prefix: Key) {
        state.withLock { $0.lateKeys[prefix, default: [:]][key] = .after(retention) }
        // The new task begins with a read, so that nothing is missed between the old one and it.
        run(prefix) { [state] client in
            while !Task.isCancelled {
                let keys = state.withLock { state in
                    let keys = (state.lateKeys[prefix] ?? [:]).filter { $0.value > .now }
                    state.lateKeys[prefix] = keys.isEmpty ? nil : keys
                    return keys
                }
                guard let expiry = keys.values.min() else { return }
                do {
                    var options = RangeOptions()
                    options.keysOnly = true
                    let response = try await client.retryingWhileUnavailable { () throws(EtcdError) in
                        try await client.range(.prefix(prefix), options: options)
                    }
                    for entry in response.entries where keys[entry.key] != nil {
                        _ = await Self.delete(entry.key, client)
                    }
                    _ = try await withTimeout(expiry - .now) {
                        try await client.awaitChange(in: .prefix(prefix), after: response.header.revision) { event in
                            event.kind == .put && keys[event.key] != nil
                        }
                    }
                } catch {
                    guard (error as? EtcdError)?.code.isTransient ?? false else { return }
                }
            }
        }
    }

    /// Deletes a key; if that fails, it ends with the lease.
    private static func delete(_ key: Key, _ client: EtcdClient) async -> Bool {
        let response = try? await client.retryingUntilKnown(attempt: client.timeout) { client throws(EtcdError) in
            try await client.delete(key)
        }
        return response != nil
    }

    /// Runs `body` in place of the previous task of the same name.
    private func run(_ name: Key, _ body: @escaping @Sendable (EtcdClient) async -> Void) {
        state.withLock { state in
            if state.isClosed { return }
            let before = state.tasks[name]?.task
            before?.cancel()
            state.lastNumber += 1
            let number = state.lastNumber
            let task = Task { [client, state = self.state] in
                await before?.value
                await body(client)
                state.withLock { if $0.tasks[name]?.number == number { $0.tasks[name] = nil } }
            }
            state.tasks[name] = (number, task)
        }
    }

    /// Ends the tasks.
    func close() async {
        let tasks = state.withLock { state in
            state.isClosed = true
            defer { state.tasks = [:] }
            return state.tasks.values.map(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}
