// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Counts the connections of a server, and keeps track of those that a stop may close at once.
final class HTTPConnections: Sendable {
    enum Admission {
        case served
        /// There are too many; the client gets a refusal.
        case refused
        /// There are too many even for a refusal.
        case dropped
    }

    private struct State {
        var isStopping = false
        var count = 0
        /// The connections that wait for a request, or send a stream.
        var interruptible: [ObjectIdentifier: ByteStream] = [:]
    }

    /// The largest number of connections that are refused at the same time.
    private static let maximumRefused = 256

    private let maximum: Int
    private let state = Lock(State())

    init(maximum: Int) { self.maximum = maximum }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Counts a connection.
    ///
    /// Call ``leave()`` in any case.
    func enter() -> Admission {
        state.withLock { state in
            state.count += 1
            if state.count <= maximum { return .served }
            return state.count - Self.maximumRefused <= maximum ? .refused : .dropped
        }
    }

    func leave() { state.withLock { $0.count -= 1 } }

    /// Runs `body`; a stop closes the stream meanwhile.
    ///
    /// Returns nil if the server is already stopping.
    func interruptible<Result: Sendable>(_ stream: ByteStream, _ body: () async -> Result) async -> Result? {
        let isRunning = state.withLock { state in
            if !state.isStopping { state.interruptible[ObjectIdentifier(stream)] = stream }
            return !state.isStopping
        }
        guard isRunning else { return nil }
        defer { state.withLock { _ = $0.interruptible.removeValue(forKey: ObjectIdentifier(stream)) } }
        return await body()
    }

    func stop() {
        let streams = state.withLock { state in
            state.isStopping = true
            return Array(state.interruptible.values)
        }
        for stream in streams { stream.close() }
    }
}
