// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs `body` to its end, also when the caller's task is cancelled; so `body` must be bounded in time.
func shielded<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
    // A task of its own, because the caller's may be cancelled already; it is awaited here.
    await Task { await body() }.value
}

/// Runs `body` in a task that is cancelled only `grace` after the caller's, or after the end of `tenure`, and waits for
/// it.
func shielded<Result: Sendable>(
    for grace: Duration,
    within tenure: Tenure,
    _ body: @escaping @Sendable () async -> Result
) async -> Result {
    let task = startAtOnce(body)
    let cancelSoon: @Sendable () -> Void = {
        EventLoop.execute { _ = EventLoop.schedule(at: .after(grace)) { task.cancel() } }
    }
    let number = tenure.observe { _ in cancelSoon() }
    defer { tenure.forget(number) }
    return await withTaskCancellationHandler {
        await task.value
    } onCancel: {
        cancelSoon()
    }
}

/// Starts a task in the place of the caller's: with no way to another thread before it waits for something.
private func startAtOnce<Result: Sendable>(
    _ body: @escaping @Sendable () async -> Result
) -> Task<Result, Never> {
    guard #available(macOS 26, *) else { return Task { await body() } }
    return Task.immediate(executorPreference: preferredExecutor) { await body() }
}

/// Where the caller's task wants to run, for a task that takes its place.
var preferredExecutor: (any TaskExecutor)? {
    guard #available(macOS 26.4, *) else { return nil }
    return withUnsafeCurrentTask { $0?.unownedTaskExecutor?.asTaskExecutor() }
}

/// Throws `cancelled` if the caller's task is cancelled.
func checkCancellation() throws(EtcdError) {
    if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
}
