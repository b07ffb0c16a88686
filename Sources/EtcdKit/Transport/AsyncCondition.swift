// SPDX-License-Identifier: Apache-2.0

/// A condition variable for tasks: they wait for a change of a state that its owner's lock guards.
package struct AsyncCondition: Sendable {
    private struct State {
        var lastID = 0
        /// The waiting tasks; each is resumed once, because it is removed from here first.
        var first: (id: Int, task: UnsafeContinuation<Void, Never>)?
        var others: [Int: UnsafeContinuation<Void, Never>] = [:]

        mutating func remove(_ id: Int) -> UnsafeContinuation<Void, Never>? {
            guard let first, first.id == id else { return others.removeValue(forKey: id) }
            self.first = nil
            return first.task
        }
    }

    private let state = Lock(State())

    /// A name for the waits of one task.
    package func makeID() -> Int {
        state.withLock { state in
            state.lastID += 1
            return state.lastID
        }
    }

    /// Waits until the next ``wakeAll()``, or until the task is cancelled; returns at once if `isReady` is true.
    ///
    /// `isReady` may take the owner's lock, so call ``wakeAll()`` outside of that. With an ID of the task's own,
    /// ``wake(_:)`` ends the wait, too.
    package func wait(as id: Int? = nil, unless isReady: () -> Bool) async {
        let id = id ?? makeID()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { register($0, id, unless: isReady) }
        } onCancel: {
            wake(id)
        }
    }

    @inline(never)
    private func register(_ task: UnsafeContinuation<Void, Never>, _ id: Int, unless isReady: () -> Bool) {
        let waits = state.withLock { state in
            // A task is marked as cancelled before its handler runs, which may have come before this.
            if Task.isCancelled || isReady() { return false }
            if state.first == nil { state.first = (id, task) } else { state.others[id] = task }
            return true
        }
        if !waits { task.resume() }
    }

    /// Wakes the task that waits with this ID, if one does.
    package func wake(_ id: Int) { state.withLock { $0.remove(id) }?.resume() }

    /// Wakes all tasks that wait.
    package func wakeAll() {
        let (first, others) = state.withLock { state in
            defer { (state.first, state.others) = (nil, [:]) }
            return (state.first, state.others)
        }
        first?.task.resume()
        for task in others.values { task.resume() }
    }
}
