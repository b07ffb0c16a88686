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
    try await withThrowingTaskGroup(of: CompanionOutcome<Result>.self) { group in
        group.addTask { .finished(try await body()) }
        group.addTask { .failed(await companion()) }
        defer { group.cancelAll() }
        var failure: CompanionFailure?
        do {
            while let outcome = try await group.next() {
                switch outcome {
                case .finished(let result):
                    if let failure { throw failure }
                    return result
                case .failed(let error):
                    if error.code != .cancelled { failure = CompanionFailure(error: error) }
                    group.cancelAll()
                }
            }
        } catch {
            // An error of a body after the end of its companion is a consequence of that.
            throw failure ?? error
        }
        throw failure ?? EtcdError(.cancelled, "the task was cancelled")
    }
}

private enum CompanionOutcome<Result: Sendable>: Sendable {
    case finished(Result)
    case failed(EtcdError)
}
