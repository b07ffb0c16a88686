// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Deletes keys that a late put may create, in the background, until it is closed; the rest end with the lease.
final class KeyCleanup: Sendable {
    struct State {
        /// The keys of a prefix, each with its expiry, and the task that deletes them.
        var keys: [Key: [Key: ContinuousClock.Instant]] = [:]
        var tasks: [Key: (number: Int, task: Task<Void, Never>)] = [:]
        var lastNumber = 0
        var isClosed = false
    }

    private let client: EtcdClient
    private let retention: Duration
    let state = Lock(State())

    init(_ client: EtcdClient, retention: Duration = .seconds(600)) {
        self.client = client
        self.retention = retention
    }

    deinit {
        for (_, task) in state.withLock({ $0.tasks.values }) { task.cancel() }
    }

    /// Deletes a key now and whenever it appears: a put whose outcome is unknown may take effect after its key was deleted.
    ///
    /// Keys that begin with the same `prefix` share one watch. A key is forgotten after ``retention``, so that they do
    /// not accumulate in a bad network: etcd itself drops a request after seconds, and only a member that was frozen
    /// for as long could still execute it.
    func delete(_ key: Key, whenever prefix: Key) {
        state.withLock { state in
            if state.isClosed { return }
            state.keys[prefix, default: [:]][key] = .after(retention)
            // The new task begins with a read, so that nothing is missed between the old one and it.
            let before = state.tasks[prefix]?.task
            before?.cancel()
            state.lastNumber += 1
            let number = state.lastNumber
            let task = Task { [client, state = self.state] in
                await before?.value
                await Self.deleteKeys(behind: prefix, state, client)
                state.withLock { if $0.tasks[prefix]?.number == number { $0.tasks[prefix] = nil } }
            }
            state.tasks[prefix] = (number, task)
        }
    }

    private static func deleteKeys(behind prefix: Key, _ state: Lock<State>, _ client: EtcdClient) async {
        while !Task.isCancelled {
            let keys = state.withLock { state in
                let keys = (state.keys[prefix] ?? [:]).filter { $0.value > .now }
                state.keys[prefix] = keys.isEmpty ? nil : keys
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
                    // If it fails, the key ends with the lease.
                    _ = try? await client.retryingUntilKnown(attempt: client.timeout) { client throws(EtcdError) in
                        try await client.delete(entry.key)
                    }
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
