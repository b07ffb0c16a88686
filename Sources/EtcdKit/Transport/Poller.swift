// SPDX-License-Identifier: Apache-2.0

/// The descriptors, timers and end-of-turn work of the ``EventLoop``.
@EventLoop
final class Poller {
    private struct Registration {
        let id: UInt64
        let handler: @EventLoop (EventLoop.Readiness) -> Void
    }

    /// A wait for descriptors, which belongs to the loop's thread: while it lasts, another thread may own the loop.
    struct Wait {
        fileprivate var entries: [Platform.PollEntry] = []
        fileprivate(set) var milliseconds: Int32 = 0
        private var hasFailed = false

        /// Waits until a descriptor is ready or the time is over.
        mutating func perform() {
            do {
                try Platform.wait(for: &entries, milliseconds: milliseconds)
                hasFailed = false
            } catch {
                // `poll` fails only when the kernel has no memory: try again in the next turn.
                hasFailed = true
            }
        }

        fileprivate var ready: some Sequence<Platform.PollEntry> {
            entries.lazy.filter { [hasFailed] in !hasFailed && $0.isReady }
        }
    }

    /// One entry a descriptor; the first is the wake-up pipe, which has no registration.
    private var entries: [Platform.PollEntry] {
        didSet { hasChangedEntries = true }
    }
    private var hasChangedEntries = true
    private var registrations: [Registration?] = [nil]
    private var indices: [Int32: Int] = [:]
    private var nextID: UInt64 = 0
    /// The first ID that no descriptor had before the last wait.
    private var firstNewID: UInt64 = 0
    private var timers = DeadlineHeap<LoopThread.Work>()
    /// When the wait ends at the latest.
    private var plannedEnd: MonotonicInstant?
    var endOfTurn: [LoopThread.Work] = []
    /// Tasks to wake once everything that has arrived was read: all together, so that one woken thread can run them.
    var wakeUps: [any LoopTask] = []
    private var waking: [any LoopTask] = []
    private var endingTurn: [LoopThread.Work] = []
    private(set) var turnTime = MonotonicInstant.now

    nonisolated init(wakeUp descriptor: Int32) {
        entries = [Platform.PollEntry(descriptor)]
    }

    // MARK: Descriptors

    func watch(_ descriptor: Int32, _ handler: @escaping @EventLoop (EventLoop.Readiness) -> Void) {
        unwatch(descriptor)
        nextID += 1
        indices[descriptor] = entries.count
        entries.append(Platform.PollEntry(descriptor))
        registrations.append(Registration(id: nextID, handler: handler))
    }

    func setInterest(of descriptor: Int32, read: Bool, write: Bool) {
        guard let index = indices[descriptor] else { return }
        var entry = entries[index]
        if entry.setInterest(read: read, write: write) { entries[index] = entry }
    }

    func unwatch(_ descriptor: Int32) {
        guard let index = indices.removeValue(forKey: descriptor) else { return }
        let last = entries.count - 1
        if index != last {
            entries[index] = entries[last]
            registrations[index] = registrations[last]
            indices[entries[index].descriptor] = index
        }
        entries.removeLast()
        registrations.removeLast()
    }

    // MARK: Timers

    func schedule(_ work: LoopThread.Work, at deadline: MonotonicInstant) -> EventLoop.Timer {
        timers.insert(work, at: deadline)
    }

    func cancel(_ timer: EventLoop.Timer) {
        timers.remove(timer)
    }

    func runDueTimers() {
        guard let earliest = timers.earliest, earliest <= turnTime else { return }
        while let work = timers.popDue(at: turnTime) { EventLoop.shared.thread.run(work) }
    }

    // MARK: Turns

    /// Describes the wait for the descriptors and timers, or only a look at them.
    func prepare(_ wait: inout Wait, mayWait: Bool) {
        if hasChangedEntries {
            wait.entries = entries
            hasChangedEntries = false
            firstNewID = nextID + 1
        }
        wait.milliseconds = mayWait ? waitingTime() : 0
    }

    /// A change since ``prepare(_:mayWait:)`` asks for another wait.
    var hasChangedWait: Bool {
        if hasChangedEntries { return true }
        guard let earliest = timers.earliest else { return false }
        return plannedEnd.map { earliest < $0 } ?? true
    }

    func beginTurn() {
        turnTime = .now
    }

    /// Calls the handlers of the descriptors that are ready.
    func callHandlers(after wait: Wait) {
        for entry in wait.ready {
            // A handler may have unregistered other descriptors, whose numbers may have been used again.
            guard let index = indices[entry.descriptor], let registration = registrations[index],
                registration.id < firstNewID
            else {
                if entry.descriptor == entries[0].descriptor { Platform.drain(entry.descriptor) }
                continue
            }
            registration.handler(EventLoop.Readiness(canRead: entry.canRead, canWrite: entry.canWrite))
        }
        wakeTasks()
    }

    private func wakeTasks() {
        if wakeUps.isEmpty { return }
        swap(&wakeUps, &waking)
        for task in waking { task.run() }
        waking.removeAll(keepingCapacity: true)
    }

    /// How long to wait for the next timer.
    ///
    /// The end of a wait is not moved back while nothing is due: most timers are cancelled before their time, and a
    /// call that borrows the loop with a later deadline need not wake the thread.
    private func waitingTime() -> Int32 {
        let (now, earliest) = (MonotonicInstant.now, timers.earliest)
        let isPlanValid = plannedEnd.map { end in end > now && (earliest.map { end <= $0 } ?? true) } ?? false
        if !isPlanValid { plannedEnd = earliest }
        guard let plannedEnd else { return -1 }
        // Rounded up, so that the timer is due when the wait is over; capped, since `poll` takes 32 bits.
        return Int32(clamping: min(max(now.milliseconds(until: plannedEnd), 0), 3_600_000))
    }

    func runEndOfTurn() {
        while !endOfTurn.isEmpty {
            swap(&endOfTurn, &endingTurn)
            for work in endingTurn { EventLoop.shared.thread.run(work) }
            endingTurn.removeAll(keepingCapacity: true)
        }
        wakeTasks()
    }
}
