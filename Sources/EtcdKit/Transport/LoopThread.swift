// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// The thread of the ``EventLoop``: runs its jobs in batches, then polls.
package final class LoopThread: SerialExecutor {
    package enum Work {
        case job(UnownedJob)
        /// A job of a task that prefers to run here, and is not isolated to the loop.
        case preferredJob(UnownedJob)
        case call(@Sendable @EventLoop () -> Void)
        /// A call that was made on the loop.
        case action(@EventLoop () -> Void)
        case task(any LoopTask)
    }

    private struct Inbox {
        var work: [Work] = []
        /// The thread waits in `poll`, or is about to, and must be woken for new work.
        var isAsleep = false
    }

    /// How many batches of jobs run before the sockets are polled again.
    private static let batchesPerTurn = 8

    /// The stack of the thread in bytes: more than most main threads have.
    ///
    /// Users' code runs here, too, such as `onEvent`. Only the used part of the stack takes memory.
    static let stackSize = 16 << 20

    private let inbox = Lock(Inbox())
    /// Held by the thread that may run code that is isolated to the loop: by the loop's thread except while it waits, and by a thread
    /// that has borrowed the loop meanwhile.
    private let ownership = Lock(())
    /// The thread that holds `ownership`.
    private let owner = Atomic<UInt>(0)
    private let wakeUp: (read: Int32, write: Int32)
    @EventLoop let poller: Poller
    @EventLoop private var batch: [Work] = []
    /// The owner is a thread that has borrowed the loop.
    @EventLoop private(set) var isBorrowed = false

    init() {
        do {
            wakeUp = try Platform.makePipe()
            poller = Poller(wakeUp: wakeUp.read)
            try Platform.startThread(stackSize: Self.stackSize) {
                self.acquire()
                EventLoop.assumeIsolated { self.run() }
            }
        } catch {
            // Reached only if a process cannot create another thread or pipe when it makes its first client.
            fatalError("EtcdKit cannot start its event loop: \(error)")
        }
    }

    // MARK: Executor

    /// The thread as the executor of tasks that prefer it.
    ///
    /// It is another object than the executor of the actor, so that code without isolation continues here without the
    /// inbox.
    final class Preference: TaskExecutor {
        func enqueue(_ job: consuming ExecutorJob) {
            EventLoop.shared.thread.enqueue(.preferredJob(UnownedJob(job)))
        }
    }

    static let preference = Preference()

    package func enqueue(_ job: consuming ExecutorJob) {
        enqueue(.job(UnownedJob(job)))
    }

    package func checkIsolated() {
        precondition(isOwner, "not on the event loop")
    }

    package func isIsolatingCurrentContext() -> Bool? {
        isOwner
    }

    /// The calling thread may run code that is isolated to the loop.
    var isOwner: Bool { owner.load(ordering: .relaxed) == Platform.currentThread }

    func enqueue(_ work: Work) {
        let mustWake = inbox.withLock { inbox in
            inbox.work.append(work)
            defer { inbox.isAsleep = false }
            return inbox.isAsleep
        }
        if mustWake { Platform.wake(wakeUp.write) }
    }

    // MARK: Borrowing

    func borrow<Result: Sendable>(_ operation: @EventLoop () -> Result) -> Result? {
        if isOwner { return EventLoop.assumeIsolated(operation) }
        guard ownership.tryAcquire() else { return nil }
        owner.store(Platform.currentThread, ordering: .relaxed)
        let (result, mustWake) = EventLoop.assumeIsolated {
            isBorrowed = true
            defer { isBorrowed = false }
            poller.beginTurn()
            let result = operation()
            poller.runEndOfTurn()
            return (result, poller.hasChangedWait)
        }
        owner.store(0, ordering: .relaxed)
        ownership.release()
        if mustWake { Platform.wake(wakeUp.write) }
        return result
    }

    // MARK: Thread

    @EventLoop
    private func run() {
        var wait = Poller.Wait()
        while true {
            prepare(&wait)
            if wait.milliseconds == 0 {
                wait.perform()
            } else {
                // Until it owns the loop again, this thread uses only `wait`.
                owner.store(0, ordering: .relaxed)
                ownership.release()
                wait.perform()
                acquire()
            }
            turn(after: wait)
        }
    }

    private func acquire() {
        ownership.acquire()
        owner.store(Platform.currentThread, ordering: .relaxed)
    }

    @EventLoop
    private func prepare(_ wait: inout Poller.Wait) {
        let mayWait = inbox.withLock { inbox in
            inbox.isAsleep = inbox.work.isEmpty
            return inbox.isAsleep
        }
        poller.prepare(&wait, mayWait: mayWait)
    }

    @EventLoop
    private func turn(after wait: Poller.Wait) {
        inbox.withLock { $0.isAsleep = false }
        poller.beginTurn()
        poller.callHandlers(after: wait)
        poller.runDueTimers()
        for _ in 0..<Self.batchesPerTurn {
            inbox.withLock { swap(&$0.work, &batch) }
            if batch.isEmpty { break }
            for work in batch { run(work) }
            batch.removeAll(keepingCapacity: true)
        }
        poller.runEndOfTurn()
    }

    @EventLoop
    func run(_ work: Work) {
        switch work {
        case .job(let job):
            job.runSynchronously(on: asUnownedSerialExecutor())
        case .preferredJob(let job):
            job.runSynchronously(on: Self.preference.asUnownedTaskExecutor())
        case .call(let operation): operation()
        case .action(let operation): operation()
        case .task(let task): task.run()
        }
    }
}
