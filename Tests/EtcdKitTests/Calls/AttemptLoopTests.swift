// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit

@Suite("AttemptLoop", .unit, .timeLimit(.minutes(1)))
struct AttemptLoopTests {
    private struct Failure: Error {
        let number: Int
    }

    private func retry(pause: Duration) -> RetryPolicy {
        RetryPolicy(backoff: Backoff(initial: pause, maximum: pause, jitter: 0))
    }

    /// Fails until the attempt of the number `success`, and returns the numbers of the attempts.
    private func attempts(
        _ loop: AttemptLoop,
        success: Int = .max,
        after next: (Failure) -> AttemptLoop.Next
    ) async -> (numbers: [Int], failure: Failure?) {
        var numbers: [Int] = []
        do throws(Failure) {
            try await loop.run { (number) throws(Failure) in
                numbers.append(number)
                if number < success { throw Failure(number: number) }
            } after: {
                next($0)
            }
            return (numbers, nil)
        } catch {
            return (numbers, error)
        }
    }

    @Test("attempts are made until one succeeds, without a pause if the failure allows it", arguments: [1, 2, 5])
    func success(number: Int) async {
        let loop = AttemptLoop(retry(pause: .seconds(1000)))
        let outcome = await attempts(loop, success: number) { _ in .atOnce }
        #expect(outcome.numbers == Array(1...number) && outcome.failure == nil)
    }

    @Test("the last failure is thrown if it is final, or after the maximum of attempts")
    func ending() async {
        let loop = AttemptLoop(retry(pause: .milliseconds(1)), maximumAttempts: 4)
        let limited = await attempts(loop) { _ in .afterPause }
        #expect(limited.numbers == [1, 2, 3, 4] && limited.failure?.number == 4)
        let stopped = await attempts(loop) { $0.number == 2 ? .nothing : .atOnce }
        #expect(stopped.numbers == [1, 2] && stopped.failure?.number == 2)
    }

    @Test("each pause is waited for, also the first one")
    func pauses() async {
        let start = ContinuousClock.now
        let outcome = await attempts(AttemptLoop(retry(pause: .milliseconds(100))), success: 3) { _ in .afterPause }
        #expect(outcome.failure == nil)
        #expect(ContinuousClock.now - start >= .milliseconds(200))
    }

    @Test("no pause exceeds the deadline")
    func deadline() async {
        let start = ContinuousClock.now
        let loop = AttemptLoop(retry(pause: .seconds(50)), until: MonotonicInstant(start + .seconds(40)))
        let outcome = await attempts(loop) { _ in .afterPause }
        #expect(outcome.numbers == [1] && outcome.failure?.number == 1)
        #expect(ContinuousClock.now - start < .seconds(20))
    }

    @Test("cancellation ends a pause")
    func cancellation() async {
        let loop = AttemptLoop(retry(pause: .seconds(1000)))
        let task = Task { await attempts(loop) { _ in Task.isCancelled ? .nothing : .afterPause } }
        task.cancel()
        #expect(await task.value.failure != nil)
    }
}
