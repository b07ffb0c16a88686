// SPDX-License-Identifier: Apache-2.0

/// A value that changes, for listeners that want its newest state only.
///
/// A listener is woken, and takes the newest value itself. So the order in which concurrent senders wake it does not
/// matter: it never gets an older value after a newer one, and always gets the last one.
package final class LatestValue<Value: Sendable>: Sendable {
    private struct State {
        var newest: Value?
        /// Counts the values.
        var version = 0
        var isOver = false
    }

    private let state = Lock(State())
    private let change = AsyncCondition()

    package init() {}

    package var newest: Value? { state.withLock { $0.newest } }

    /// Replaces the value; after the last, nothing is sent any more.
    package func send(_ value: Value, isLast: Bool = false) {
        state.withLock { state in
            if state.isOver { return }
            state.newest = value
            state.version += 1
            state.isOver = isLast
        }
        change.wakeAll()
    }

    /// The newest value, and those that follow; a slow listener gets the newest only.
    package func listen() -> AsyncStream<Value> {
        let seen = Lock(0)
        return AsyncStream { [self] in
            while true {
                let version = seen.withLock { $0 }
                let (newest, newestVersion, isOver) = state.withLock { ($0.newest, $0.version, $0.isOver) }
                if newestVersion != version {
                    seen.withLock { $0 = newestVersion }
                    return newest
                }
                if isOver || Task.isCancelled { return nil }
                await change.wait { state.withLock { $0.version != version } }
            }
        }
    }
}
