// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs `body` to its end, also when the caller's task is cancelled; so `body` must be bounded in time.
func withoutCancellation<Result: Sendable>(_ body: @escaping @Sendable () async -> Result) async -> Result {
    // A task of its own, because the caller's may be cancelled already; it is awaited here.
    await Task { await body() }.value
}

/// Runs `body` in a task that is cancelled only `grace` after the caller's, or after the end of `lifetime`, and waits for
/// it.
func withoutCancellation<Result: Sendable>(
    for grace: Duration,
    within lifetime: Lifetime,
    _ body: @escaping @Sendable () async -> Result
) async -> Result {
    let task = startAtOnce(body)
    let cancelSoon: @Sendable () -> Void = { callLater(after: grace) { task.cancel() } }
    let number = lifetime.observe { _ in cancelSoon() }
    defer { lifetime.forget(number) }
    return await withTaskCancellationHandler {
        await task.value
    } onCancel: {
        cancelSoon()
    }
}

/// Runs `body`, and then `release`, whether `body` returns or throws.
func releasing<Result>(
    _ release: () async -> Void,
    after body: () async throws -> Result
) async throws -> Result {
    do {
        let result = try await body()
        await release()
        return result
    } catch {
        await release()
        throw error
    }
}

/// Runs `body`, which waits: throws `CancellationError` in place of an ``EtcdError`` with the code `cancelled`.
func unifyingCancellation<Result>(_ body: () async throws -> Result) async throws -> Result {
    do { return try await body() } catch { throw error.ofWait }
}

/// Calls `action` once, after `delay`.
func callLater(after delay: Duration, _ action: @escaping @Sendable () -> Void) {
    EventLoop.execute { _ = EventLoop.schedule(at: .after(delay), action) }
}

/// Starts a task that runs on the caller's thread until it first waits for something.
private func startAtOnce<Result: Sendable>(
    _ body: @escaping @Sendable () async -> Result
) -> Task<Result, Never> {
    guard #available(macOS 26, *) else { return Task { await body() } }
    return Task.immediate(executorPreference: preferredExecutor) { await body() }
}

/// The executor preference of the caller's task, for a task that takes its place.
var preferredExecutor: (any TaskExecutor)? {
    guard #available(macOS 26.4, *) else { return nil }
    return withUnsafeCurrentTask { $0?.unownedTaskExecutor?.asTaskExecutor() }
}

extension Error {
    private var isCancellation: Bool { self is CancellationError || EtcdError.Code.cancelled ~= self }

    /// The error as a wait throws it: `CancellationError` instead of an ``EtcdError`` with the code `cancelled`.
    var ofWait: any Error { isCancellation ? CancellationError() : self }

    /// The error, unless it is a consequence of this task's cancellation.
    var unlessCancelled: (any Error)? { Task.isCancelled && isCancellation ? nil : self }
}

/// Throws `cancelled` if the caller's task is cancelled.
func checkCancellation() throws(EtcdError) {
    if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
}
