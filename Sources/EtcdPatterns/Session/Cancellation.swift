// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs `body` to its end, also when the caller's task is cancelled; so `body` must be bounded in time.
func withoutCancellation<Success: Sendable, Failure>(
    _ body: @escaping @Sendable () async throws(Failure) -> Success
) async throws(Failure) -> Success {
    // A task of its own, because the caller's may be cancelled already; it is awaited here.
    try await Task { () -> Result<Success, Failure> in
        do throws(Failure) { return .success(try await body()) } catch { return .failure(error) }
    }.value.get()
}

/// Runs `body` in a task that is cancelled only `grace` after the caller's, or after the end of `lifetime`, and waits for
/// it.
func withoutCancellation<Result: Sendable>(
    for grace: Duration,
    within lifetime: Lifetime,
    _ body: @escaping @Sendable () async -> Result
) async -> Result {
    let task: Task<Result, Never>
    if #available(macOS 26, *) {
        // It runs on the caller's thread until it first waits for something.
        task = Task.immediate(executorPreference: preferredExecutor) { await body() }
    } else {
        task = Task { await body() }
    }
    let cancelSoon: @Sendable () -> Void = { callLater(after: grace) { task.cancel() } }
    let number = lifetime.observe { _ in cancelSoon() }
    defer { lifetime.forget(number) }
    return await withTaskCancellationHandler {
        await task.value
    } onCancel: {
        cancelSoon()
    }
}

/// Runs `work`, and calls `onOverrun` if it goes on for longer than `allowance` after its task was cancelled.
func supervised(
    _ allowance: Duration,
    _ work: @escaping @Sendable () async throws -> Void,
    onOverrun: @escaping @Sendable () async -> Void
) async throws {
    let job = BackgroundJob()
    let (running, end) = AsyncStream.makeStream(of: Never.self)
    try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
            // Ends with the work, or by its cancellation.
            for await _ in running {}
            if await !job.wait(max(allowance, .milliseconds(1))) { await withoutCancellation(onOverrun) }
        }
        group.addTask {
            defer {
                job.finish()
                end.finish()
            }
            try await work()
        }
        try await group.waitForAll()
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

/// The executor preference of the caller's task, for a task that takes its place.
var preferredExecutor: (any TaskExecutor)? {
    guard #available(macOS 26.4, *) else { return nil }
    return withUnsafeCurrentTask { $0?.unownedTaskExecutor?.asTaskExecutor() }
}

extension EtcdError {
    /// Whether another attempt may succeed.
    var mayPass: Bool { code == .ambiguous || code.isTransient }
}

extension Error {
    var isCancellation: Bool { self is CancellationError || EtcdError.Code.cancelled ~= self }

    /// The error as a wait throws it: `CancellationError` instead of an ``EtcdError`` with the code `cancelled`.
    var ofWait: any Error { isCancellation ? CancellationError() : self }

    /// The error, unless it is a consequence of this task's cancellation.
    var unlessCancelled: (any Error)? { Task.isCancelled && isCancellation ? nil : self }
}

private enum Outcome<Result: Sendable>: Sendable {
    case finished(Result?)
    case timerEnded
}

/// Runs `body`, cancels it after `timeout`, and waits for it.
///
/// - Returns: The result of `body`, or nil if it was cancelled because the time was over.
/// - Throws: The error of `body`, and `CancellationError` in place of an ``EtcdError`` with the code `cancelled`.
func withTimeout<Result: Sendable>(
    _ timeout: Duration?,
    _ body: @escaping @Sendable () async throws -> Result?
) async throws -> Result? {
    guard let timeout = timeout?.bounded else { return try await unifyingCancellation(body) }
    return try await withThrowingTaskGroup(of: Outcome<Result>.self) { group in
        group.addTask { .finished(try await body()) }
        group.addTask {
            // If the caller is cancelled, this ends early, which changes nothing.
            try? await Task.sleep(for: timeout)
            return .timerEnded
        }
        defer { group.cancelAll() }
        var isOver = false
        do {
            while let outcome = try await group.next() {
                if case .finished(let result) = outcome { return result }
                isOver = true
                group.cancelAll()
            }
        } catch {
            let error = error.ofWait
            // The consequence of the timeout, unless the caller was cancelled.
            guard isOver, error is CancellationError, !Task.isCancelled else { throw error }
        }
        return nil
    }
}
