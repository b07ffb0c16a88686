// SPDX-License-Identifier: Apache-2.0

/// Work that goes on when no caller waits for it any more: the client owns it, and ends it when the client is closed.
final class BackgroundWork: Sendable {
    private struct State {
        var running: [ObjectIdentifier: (job: BackgroundJob, task: Task<Void, Never>)] = [:]
        var isClosed = false
    }

    private let state = Lock(State())

    /// Starts `body`, which must be bounded in time; after ``close(within:)``, it is cancelled from the start.
    func start(_ job: BackgroundJob, _ body: @escaping @Sendable () async -> Void) {
        state.withLock { state in
            let task = Task { [weak self] in
                await body()
                self?.state.withLock { $0.running[ObjectIdentifier(job)] = nil }
                job.finish()
            }
            if state.isClosed { task.cancel() }
            state.running[ObjectIdentifier(job)] = (job, task)
        }
    }

    /// Waits for the work under way, but no longer than `grace`; then cancels it.
    func close(within grace: Duration) async {
        let end = ContinuousClock.Instant.after(grace)
        // One job may start another.
        while let job = state.withLock({ $0.running.values.first?.job }), await job.wait(end - .now) {}
        let tasks = state.withLock { state in
            state.isClosed = true
            return state.running.values.map(\.task)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}
