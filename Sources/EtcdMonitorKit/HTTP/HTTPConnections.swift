// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The connections of a server: counts them, and knows those that a stop may end at once.
final class HTTPConnections: Sendable {
    enum Admission {
        case served
        /// There are too many; it is told so.
        case refused
        /// There are too many even of those that are told so.
        case dropped
    }

    private struct State {
        var isStopping = false
        var count = 0
        /// Those that wait for a request, or send a stream.
        var interruptible: [ObjectIdentifier: ByteStream] = [:]
    }

    /// How many connections may be refused at a time.
    private static let maximumRefused = 256

    private let maximum: Int
    private let state = Lock(State())

    init(maximum: Int) { self.maximum = maximum }

    var isStopping: Bool { state.withLock { $0.isStopping } }

    /// Counts a connection, which must ``leave()`` in any case.
    func enter() -> Admission {
        state.withLock { state in
            state.count += 1
            if state.count <= maximum { return .served }
            return state.count - Self.maximumRefused <= maximum ? .refused : .dropped
        }
    }

    func leave() { state.withLock { $0.count -= 1 } }

    /// Runs `body`, during which a stop closes the stream; nil if the server is stopping already.
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
