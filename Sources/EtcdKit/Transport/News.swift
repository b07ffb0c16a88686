// SPDX-License-Identifier: Apache-2.0

/// Tells all who listen the newest value.
///
/// A listener is woken, and takes the newest value itself. So the order in which concurrent senders wake it does not
/// matter: it never gets an older value after a newer one, and always gets the last one.
package final class News<Item: Sendable>: Sendable {
    private struct State {
        var newest: Item?
        /// Counts the values.
        var version = 0
        var isOver = false
        var listeners: [Int: AsyncStream<Void>.Continuation] = [:]
        var lastListener = 0
    }

    private let state = Lock(State())

    package init() {}

    package var newest: Item? { state.withLock { $0.newest } }

    /// Tells the news; after the last, nothing is told any more.
    package func send(_ news: Item, isLast: Bool = false) {
        let listeners = state.withLock { state in
            if state.isOver { return [AsyncStream<Void>.Continuation]() }
            state.newest = news
            state.version += 1
            state.isOver = isLast
            return Array(state.listeners.values)
        }
        for listener in listeners {
            listener.yield()
            if isLast { listener.finish() }
        }
    }

    /// The newest item, and those that follow; a slow listener gets the newest only.
    package func listen() -> AsyncStream<Item> {
        let (signals, listener) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let number = state.withLock { state in
            state.lastListener += 1
            state.listeners[state.lastListener] = listener
            return state.lastListener
        }
        listener.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[number] = nil } }
        // Perhaps there is something, or the last was sent before it was registered.
        listener.yield()
        if state.withLock({ $0.isOver }) { listener.finish() }
        let seen = Lock(0)
        return AsyncStream(unfolding: { [self] in
            for await _ in signals {
                let newest = state.withLock { state in
                    seen.withLock { seen in
                        defer { seen = state.version }
                        return state.version == seen ? nil : state.newest
                    }
                }
                if let newest { return newest }
            }
            return nil
        })
    }
}
