// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs `body` to its end, also when the caller's task is cancelled; so `body` must be bounded in time.
func shielded<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
    // A task of its own, because the caller's may be cancelled already; it is awaited here.
    await Task { await body() }.value
}

/// Runs `body` in a task that is cancelled only `grace` after the caller's, and waits for it.
func shielded<Result: Sendable>(
    for grace: Duration,
    _ body: @escaping @Sendable () async -> Result
) async -> Result {
    let task = Task { await body() }
    return await withTaskCancellationHandler {
        await task.value
    } onCancel: {
        EventLoop.execute { _ = EventLoop.schedule(at: .after(grace)) { task.cancel() } }
    }
}

/// Throws `cancelled` if the caller's task is cancelled.
func checkCancellation() throws(EtcdError) {
    if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
}
