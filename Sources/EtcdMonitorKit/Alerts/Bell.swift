// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Wakes the task that waits for it.
///
/// A ring without a waiting task ends the next wait at once.
final class Bell: Sendable {
    private struct State {
        var hasRung = false
        var sleep: Task<Void, Never>?
    }

    private let state = Lock(State())

    func ring() {
        state.withLock { state in
            state.hasRung = true
            state.sleep?.cancel()
        }
    }

    /// Waits until it rings, the time has passed, or the task is cancelled.
    func wait(for duration: Duration) async {
        let sleep = Task { await Task.pause(for: duration) }
        let hasRung = state.withLock { state in
            state.sleep = sleep
            return state.hasRung
        }
        if hasRung { sleep.cancel() }
        await withTaskCancellationHandler {
            await sleep.value
        } onCancel: {
            sleep.cancel()
        }
        state.withLock { $0 = State() }
    }
}
