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
    guard let timeout else { return try await body() }
    return try await withThrowingTaskGroup(of: Outcome<Result>.self) { group in
        group.addTask { .finished(try await body()) }
        group.addTask {
            // When the caller is cancelled, this ends early, which changes nothing.
            try? await Task.sleep(for: timeout)
            return .timerEnded
        }
        defer { group.cancelAll() }
        do {
            while let outcome = try await group.next() {
                if case .finished(let result) = outcome { return result }
                group.cancelAll()
            }
        } catch {
            // Time has run out, unless it is the caller that was cancelled.
            guard !Task.isCancelled, case EtcdError.Code.cancelled = error else { throw error }
        }
        return nil
    }
}
