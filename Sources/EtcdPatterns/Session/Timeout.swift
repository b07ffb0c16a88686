// SPDX-License-Identifier: Apache-2.0

import EtcdKit

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
