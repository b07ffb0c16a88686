// SPDX-License-Identifier: Apache-2.0

/// The descriptors, timers and end-of-turn actions of the ``EventLoop``.
@EventLoop
final class Poller {
    private struct Registration {
        let id: UInt64
        let handler: @EventLoop (EventLoop.Readiness) -> Void
    }

    /// One entry a descriptor; the first is the wake-up pipe, which has no registration.
    private var entries: [Platform.PollEntry]
    private var registrations: [Registration?] = [nil]
    private var indices: [Int32: Int] = [:]
    private var nextID: UInt64 = 0
    var timers = DeadlineHeap<@EventLoop () -> Void>()
    var endOfTurn: [@EventLoop () -> Void] = []

    nonisolated init(wakeUp descriptor: Int32) {
        entries = [Platform.PollEntry(descriptor)]
    }

    func watch(_ descriptor: Int32, _ handler: @escaping @EventLoop (EventLoop.Readiness) -> Void) {
        unwatch(descriptor)
        nextID += 1
        indices[descriptor] = entries.count
        entries.append(Platform.PollEntry(descriptor))
        registrations.append(Registration(id: nextID, handler: handler))
    }

    func setInterest(of descriptor: Int32, read: Bool, write: Bool) {
        guard let index = indices[descriptor] else { return }
        entries[index].setInterest(read: read, write: write)
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

    /// Waits for the descriptors and timers, if it may, and calls the handlers of the ready ones.
    func poll(mayWait: Bool) {
        do {
            try Platform.wait(for: &entries, milliseconds: mayWait ? waitingTime() : 0)
        } catch {
            // `poll` fails for want of kernel memory only: try again in the next turn.
            return
        }
        if entries[0].isReady { Platform.drain(entries[0].descriptor) }
        // Handlers register and unregister descriptors, so go by a copy and look each one up again.
        var ready: [(registration: Registration, entry: Platform.PollEntry)] = []
        for (index, entry) in entries.enumerated() where entry.isReady {
            guard let registration = registrations[index] else { continue }
            ready.append((registration, entry))
        }
        for (registration, entry) in ready {
            guard let index = indices[entry.descriptor], registrations[index]?.id == registration.id else { continue }
            registration.handler(EventLoop.Readiness(canRead: entry.canRead, canWrite: entry.canWrite))
        }
    }

    private func waitingTime() -> Int32 {
        guard let deadline = timers.earliest else { return -1 }
        let remaining = ContinuousClock.now.duration(to: deadline)
        if remaining <= .zero { return 0 }
        // Rounded up, so that the timer is due when the wait is over; capped, since `poll` takes 32 bits.
        return Int32(clamping: min(remaining, .seconds(3600)).wholeMilliseconds)
    }

    func runDueTimers() {
        guard timers.earliest != nil else { return }
        let now = ContinuousClock.now
        while let action = timers.popDue(at: now) { action() }
    }

    func runEndOfTurn() {
        while !endOfTurn.isEmpty {
            let actions = endOfTurn
            endOfTurn.removeAll(keepingCapacity: true)
            for action in actions { action() }
        }
    }
}

extension Duration {
    /// The duration in milliseconds, rounded up; at the limits of the type where it is beyond them.
    var wholeMilliseconds: Int64 {
        let (seconds, attoseconds) = components
        // Division rounds towards zero, which is up for the negative.
        let (quotient, remainder) = attoseconds.quotientAndRemainder(dividingBy: 1_000_000_000_000_000)
        let (milliseconds, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        let (sum, isBeyond) = milliseconds.addingReportingOverflow(quotient + (remainder > 0 ? 1 : 0))
        return overflow || isBeyond ? (seconds < 0 ? .min : .max) : sum
    }
}
