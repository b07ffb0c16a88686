// SPDX-License-Identifier: Apache-2.0

import EtcdKit

private enum Outcome<Result: Sendable>: Sendable {
    case finished(Result?)
    case timerEnded
}

/// Runs `body`, cancels it after `timeout`, and waits for it.
///
/// - Returns: What `body` returns, or nil if it was cancelled for want of time.
func withTimeout<Result: Sendable>(
    _ timeout: Duration?,
    _ body: @escaping @Sendable () async throws -> Result?
) async throws -> Result? {
    guard let timeout = timeout?.bounded else { return try await body() }
    return try await withThrowingTaskGroup(of: Outcome<Result>.self) { group in
        group.addTask { .finished(try await body()) }
        group.addTask {
            // When the caller is cancelled, this ends early, which changes nothing.
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
            // What comes of running out of time, unless it is the caller that was cancelled.
            let isCancellation = error is CancellationError || EtcdError.Code.cancelled ~= error
            guard isOver, isCancellation, !Task.isCancelled else { throw error }
        }
        return nil
    }
}
