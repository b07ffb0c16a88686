// SPDX-License-Identifier: Apache-2.0

/// When something that failed is tried again: the same for calls, for streams, and for what consists of several calls.
package struct AttemptLoop: Sendable {
    /// The step after a failed attempt.
    package enum Next: Sendable {
        case atOnce
        case afterPause
        case nothing
    }

    private let maximumAttempts: Int
    private let backoff: Backoff
    private let deadline: ContinuousClock.Instant?

    /// Makes a loop.
    ///
    /// - Parameters:
    ///   - retry: The pauses between attempts.
    ///   - maximumAttempts: How many attempts there are at most, the first included.
    ///   - deadline: When no attempt begins any more, except at once; nil for never.
    package init(
        _ retry: RetryPolicy,
        maximumAttempts: Int = .max,
        until deadline: ContinuousClock.Instant? = nil
    ) {
        self.maximumAttempts = maximumAttempts
        self.deadline = deadline
        backoff = retry.backoff
    }

    /// Makes attempts, which are numbered from 1, until one succeeds or there is to be no other.
    ///
    /// - Parameters:
    ///   - attempt: Makes an attempt. It notices by itself when its task is cancelled.
    ///   - next: Says what comes after a failure.
    /// - Returns: What the last attempt returns.
    /// - Throws: What the last attempt throws.
    package func run<Success, Failure: Error>(
        _ attempt: (_ number: Int) async throws(Failure) -> Success,
        after next: (Failure) -> Next
    ) async throws(Failure) -> Success {
        var number = 1
        var pauses = 0
        while true {
            do throws(Failure) {
                return try await attempt(number)
            } catch {
                switch number < maximumAttempts ? next(error) : .nothing {
                case .nothing: throw error
                case .atOnce: break
                case .afterPause:
                    pauses += 1
                    let pause = backoff.delay(afterFailures: pauses)
                    if let deadline, .now + pause >= deadline { throw error }
                    // A cancelled pause is noticed by the next attempt.
                    await Task.pause(for: pause)
                }
            }
            number += 1
        }
    }
}
