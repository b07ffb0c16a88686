// SPDX-License-Identifier: Apache-2.0

/// Work in the background; see ``EtcdClient/inBackground(_:)``.
package final class BackgroundJob: Sendable {
    private struct State {
        var isFinished = false
        /// One for each wait that has begun, also if it is over.
        var waiting: [Completion<Bool>] = []
    }

    private let state = Lock(State())

    package init() {}

    /// It has ended.
    package func finish() {
        let waiting = state.withLock { state in
            defer { state.waiting = [] }
            state.isFinished = true
            return state.waiting
        }
        if waiting.isEmpty { return }
        EventLoop.execute { for completion in waiting { completion.complete(true) } }
    }

    /// Waits for the end, also when the caller's task is cancelled, and no longer than `timeout`.
    ///
    /// - Returns: Whether it has ended.
    @discardableResult
    package func wait(_ timeout: Duration) async -> Bool {
        let completion = Completion<Bool>()
        let isFinished = state.withLock { state in
            if !state.isFinished, timeout > .zero { state.waiting.append(completion) }
            return state.isFinished
        }
        if isFinished || timeout <= .zero { return isFinished }
        return await completion.wait(until: .after(timeout), onDeadline: { completion.complete(false) }, onCancel: {})
    }
}
