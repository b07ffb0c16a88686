// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The thread of the ``EventLoop``: runs its jobs in batches, then polls.
package final class LoopThread: SerialExecutor, TaskExecutor {
    enum Work {
        case job(UnownedJob)
        case call(@Sendable @EventLoop () -> Void)
    }

    private struct Inbox {
        var work: [Work] = []
        /// The thread waits in `poll`, or is about to, and must be woken for new work.
        var isAsleep = false
    }

    /// How many batches of jobs run before the sockets get their turn again.
    private static let batchesPerTurn = 8

    /// The stack of the thread in bytes: more than a main thread has as a rule.
    ///
    /// Users' code runs here, too, such as `onEvent`. Only what is used of the stack takes memory.
    static let stackSize = 16 << 20

    private let inbox = Lock(Inbox())
    private let threadID = Atomic<UInt>(0)
    private let wakeUp: (read: Int32, write: Int32)
    @EventLoop let poller: Poller

    init() {
        do {
            wakeUp = try Platform.makePipe()
            poller = Poller(wakeUp: wakeUp.read)
            try Platform.startThread(stackSize: Self.stackSize) { self.run() }
        } catch {
            // Reached only where a process cannot have one more thread or pipe when it makes its first client.
            fatalError("EtcdKit cannot start its event loop: \(error)")
        }
    }

    // MARK: Executor

    package func enqueue(_ job: consuming ExecutorJob) {
        enqueue(.job(UnownedJob(job)))
    }

    package func checkIsolated() {
        precondition(isOnThread, "not on the event loop")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        isOnThread
    }

    var isOnThread: Bool { threadID.load(ordering: .relaxed) == Platform.currentThread }

    func enqueue(_ work: Work) {
        let mustWake = inbox.withLock { inbox in
            inbox.work.append(work)
            defer { inbox.isAsleep = false }
            return inbox.isAsleep
        }
        if mustWake { Platform.wake(wakeUp.write) }
    }

    // MARK: Thread

    private func run() {
        threadID.store(Platform.currentThread, ordering: .relaxed)
        EventLoop.assumeIsolated {
            while true { turn() }
        }
    }

    @EventLoop
    private func turn() {
        let mayWait = inbox.withLock { inbox in
            inbox.isAsleep = inbox.work.isEmpty
            return inbox.isAsleep
        }
        poller.poll(mayWait: mayWait)
        inbox.withLock { $0.isAsleep = false }
        poller.runDueTimers()
        var batch: [Work] = []
        for _ in 0..<Self.batchesPerTurn {
            batch.removeAll(keepingCapacity: true)
            inbox.withLock { swap(&$0.work, &batch) }
            if batch.isEmpty { break }
            for work in batch { run(work) }
        }
        poller.runEndOfTurn()
    }

    @EventLoop
    private func run(_ work: Work) {
        switch work {
        case .job(let job):
            job.runSynchronously(isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        case .call(let operation):
            operation()
        }
    }
}
