// SPDX-License-Identifier: Apache-2.0

/// Cleaning up that may take longer than anybody waits for it: the client owns it, and ends it at its own end.
final class BackgroundWork: Sendable {
    private struct State {
        var running: [Int: (job: BackgroundJob, task: Task<Void, Never>)] = [:]
        var lastNumber = 0
        var isClosed = false
    }

    private let state = Lock(State())

    /// Starts `body`, which must be bounded in time; after ``close(within:)``, it is cancelled from the start.
    func start(_ body: @escaping @Sendable () async -> Void) -> BackgroundJob {
        let job = BackgroundJob()
        state.withLock { state in
            state.lastNumber += 1
            let number = state.lastNumber
            let task = Task { [weak self] in
                await body()
                self?.state.withLock { $0.running[number] = nil }
                await job.finish()
            }
            if state.isClosed { task.cancel() }
            state.running[number] = (job, task)
        }
        return job
    }

    /// Waits for what is under way, but no longer than `grace`; then cancels it.
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
    /// Starts something that goes on when nobody waits for it any more, until the client is closed, which gives it
    /// another two seconds.
    package func inBackground(_ body: @escaping @Sendable () async -> Void) -> BackgroundJob {
        core.background.start(body)
    }

    /// Starts something that several wait for, which is cancelled when the client is closed.
    package func inCommon(_ body: @escaping @Sendable () async -> Void) { _ = core.common.start(body) }
}
