// SPDX-License-Identifier: Apache-2.0

/// Makes attempts, with pauses, until one succeeds: for calls, for streams, and for operations of several calls.
struct AttemptLoop {
    /// The step after a failed attempt.
    enum Next {
        case atOnce
        case afterPause
        case nothing
    }

    /// How many attempts there are at most, the first included.
    private let maximumAttempts: Int
    /// The pauses between attempts.
    private let backoff: Backoff
    /// When no attempt begins any more, except at once; nil for never.
    private let deadline: MonotonicInstant?
    /// The number of the attempt at hand, from 1.
    private(set) var number = 1
    private var pauses = 0

    init(_ retry: RetryPolicy, maximumAttempts: Int = .max, until deadline: MonotonicInstant? = nil) {
        self.maximumAttempts = maximumAttempts
        self.deadline = deadline
        backoff = retry.backoff
    }

    /// Makes attempts, which are numbered from 1, until one succeeds or there is to be no other; ends as the last one does.
    ///
    /// An attempt notices by itself when its task is cancelled. `next` says what comes after a failure.
    func run<Success, Failure: Error>(
        _ attempt: (_ number: Int) async throws(Failure) -> Success,
        after next: (Failure) -> Next
    ) async throws(Failure) -> Success {
        var loop = self
        while true {
            do throws(Failure) {
                return try await attempt(loop.number)
            } catch {
                let step = loop.isLast ? .nothing : next(error)
                guard await loop.goOn(step) else { throw error }
            }
        }
    }

    /// There is to be no attempt after the one at hand.
    var isLast: Bool { number >= maximumAttempts }

    /// Waits, if need be, until the next attempt may begin; returns whether there is one.
    mutating func goOn(_ next: Next) async -> Bool {
        if isLast { return false }
        switch next {
        case .nothing: return false
        case .atOnce: break
        case .afterPause:
            pauses += 1
            let pause = backoff.delay(afterFailures: pauses)
            if let deadline, .now + pause >= deadline { return false }
            // A cancelled pause is noticed by the next attempt.
            await Task.pause(for: pause)
        }
        number += 1
        return true
    }
}
