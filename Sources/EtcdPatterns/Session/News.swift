// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Tells all who listen the newest value.
final class News<Item: Sendable>: Sendable {
    private struct State {
        var newest: Item?
        var isOver = false
        var listeners: [Int: AsyncStream<Item>.Continuation] = [:]
        var lastListener = 0
    }

    private let state = Lock(State())

    var newest: Item? { state.withLock { $0.newest } }

    /// Tells the news; after the last, nothing is told any more.
    func send(_ news: Item, isLast: Bool = false) {
        let listeners = state.withLock { state in
            if state.isOver { return [AsyncStream<Item>.Continuation]() }
            state.newest = news
            state.isOver = isLast
            return Array(state.listeners.values)
        }
        for listener in listeners {
            listener.yield(news)
            if isLast { listener.finish() }
        }
    }

    /// The newest item, and those that follow; who does not take them in time gets the newest only.
    func listen() -> AsyncStream<Item> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { listener in
            let (number, newest, isOver) = state.withLock { state in
                state.lastListener += 1
                state.listeners[state.lastListener] = listener
                return (state.lastListener, state.newest, state.isOver)
            }
            listener.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[number] = nil } }
            if let newest { listener.yield(newest) }
            if isOver { listener.finish() }
        }
    }
}
