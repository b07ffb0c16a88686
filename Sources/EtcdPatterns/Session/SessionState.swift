// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// How a session stands; see ``Session/states``.
public enum SessionState: Sendable {
    /// The session certainly lives until the instant, and its lease is renewed.
    case active(until: ContinuousClock.Instant)
    /// For two thirds of the time to live no renewal was answered: at the instant the session is lost unless one is.
    ///
    /// The error says what stands in the way, as far as that is known.
    case atRisk(until: ContinuousClock.Instant, EtcdError?)
    /// The session is lost or closed; nothing comes after this.
    case lost(CoordinationLoss)
}

/// Tells all who listen the newest state.
final class SessionNews: Sendable {
    private struct State {
        var newest: SessionState?
        var listeners: [Int: AsyncStream<SessionState>.Continuation] = [:]
        var lastListener = 0
    }

    private let state = Lock(State())

    func send(_ news: SessionState) {
        let listeners = state.withLock { state in
            state.newest = news
            return Array(state.listeners.values)
        }
        for listener in listeners {
            listener.yield(news)
            if case .lost = news { listener.finish() }
        }
    }

    /// The newest state, and those that follow; who does not take them in time gets the newest only.
    func listen() -> AsyncStream<SessionState> {
        AsyncStream(bufferingPolicy: .bufferingNewest(1)) { listener in
            let (number, newest) = state.withLock { state in
                state.lastListener += 1
                state.listeners[state.lastListener] = listener
                return (state.lastListener, state.newest)
            }
            listener.onTermination = { [weak self] _ in self?.state.withLock { $0.listeners[number] = nil } }
            if let newest {
                listener.yield(newest)
                if case .lost = newest { listener.finish() }
            }
        }
    }
}
