// SPDX-License-Identifier: Apache-2.0

/// A companion has ended while its body ran; see ``withCompanion(_:_:)``.
package struct CompanionFailure: Error {
    package let error: EtcdError
}

/// Runs `body` in a child task beside a companion that it needs, and cancels it when the companion ends.
///
/// - Throws: ``CompanionFailure`` if the companion ended before `body`, whatever the outcome of `body`; otherwise the
///   error of `body`. A companion that was cancelled has not failed; then the outcome of `body` counts.
package func withCompanion<Result: Sendable>(
    _ companion: @escaping @Sendable () async -> EtcdError,
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            let error = await companion()
            if error.code != .cancelled { throw CompanionFailure(error: error) }
            return nil
        }
        while let outcome = try await group.next() {
            group.cancelAll()
            if let outcome { return outcome }
        }
        throw EtcdError.cancelledTask
    }
}
