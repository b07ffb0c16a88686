// SPDX-License-Identifier: Apache-2.0

/// Work that goes on when no caller waits for it any more: the client owns it, and ends it when the client is closed.
final class BackgroundWork: Sendable {
    private struct State {
        var running: [Int: Task<Void, Never>] = [:]
        var count = 0
        var isClosed = false
    }

    private let state = Lock(State())

    /// Starts `body`, which must be bounded in time; after ``close(within:)``, it is cancelled from the start.
    func start(_ job: BackgroundJob, _ body: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            state.count += 1
            let number = state.count
            let task = Task { [weak self] in
                await body()
                self?.state.withLock { $0.running[number] = nil }
                job.finish()
            }
            if state.isClosed { task.cancel() }
            state.running[number] = task
        }
    }

    /// Waits for the work under way, but no longer than `grace`; then cancels it.
    func close(within grace: Duration) async {
        let timer = await EventLoop.schedule(at: .after(grace)) { self.cancelAll() }
        // One job may start another.
        while let task = state.withLock({ $0.isClosed ? nil : $0.running.values.first }) { await task.value }
        await EventLoop.cancel(timer)
        for task in cancelAll() { await task.value }
    }

    @discardableResult
    private func cancelAll() -> [Task<Void, Never>] {
        let tasks = state.withLock { state in
            state.isClosed = true
            return Array(state.running.values)
        }
        for task in tasks { task.cancel() }
        return tasks
    }
}
