// SPDX-License-Identifier: Apache-2.0

/// Cleaning up that may take longer than anybody waits for it: the client owns it, and ends it at its own end.
final class BackgroundWork: Sendable {
    private struct State {
        var tasks: [Int: Task<Void, Never>] = [:]
        var lastNumber = 0
        var isClosed = false
    }

    private let state = Lock(State())

    /// Starts `body`, which must be bounded in time; after ``close()``, nothing is started any more.
    func start(_ body: @escaping @Sendable () async -> Void) -> BackgroundJob {
        let job = BackgroundJob()
        let isStarted = state.withLock { state in
            if state.isClosed { return false }
            state.lastNumber += 1
            let number = state.lastNumber
            state.tasks[number] = Task { [weak self] in
                await body()
                await job.finish()
                self?.state.withLock { $0.tasks[number] = nil }
            }
            return true
        }
        if !isStarted { EventLoop.execute { job.finish() } }
        return job
    }

    /// Cancels what is under way, and waits for it.
    func close() async {
        let tasks = state.withLock { state in
            state.isClosed = true
            return Array(state.tasks.values)
        }
        for task in tasks { task.cancel() }
        for task in tasks { await task.value }
    }
}

/// Something that goes on in the background; see ``EtcdClient/inBackground(_:)``.
@EventLoop
package final class BackgroundJob {
    private var isFinished = false
    private var waiting: [Completion<Bool>] = []

    nonisolated init() {}

    fileprivate func finish() {
        isFinished = true
        for completion in waiting { completion.complete(true) }
        waiting = []
    }

    /// Waits for the end, also when the caller's task is cancelled, and no longer than `timeout`.
    ///
    /// - Returns: Whether it has ended.
    @discardableResult
    package func wait(_ timeout: Duration) async -> Bool {
        if isFinished || timeout <= .zero { return isFinished }
        let completion = Completion<Bool>()
        waiting.append(completion)
        let timer = EventLoop.schedule(at: .after(timeout)) { completion.complete(false) }
        let result = await completion.wait(onCancel: {})
        EventLoop.cancel(timer)
        waiting.removeAll { $0 === completion }
        return result
    }
}

extension EtcdClient {
    /// Starts something that goes on when nobody waits for it any more, until the client is closed.
    package func inBackground(_ body: @escaping @Sendable () async -> Void) -> BackgroundJob {
        core.background.start(body)
    }
}
