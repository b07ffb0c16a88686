// SPDX-License-Identifier: Apache-2.0

// Durations of users may be of any length, and arithmetic on long ones traps. These functions bound them.

extension Duration {
    /// The duration within 0 and a thousand years, so that sums and multiples of it are durations too.
    package var bounded: Duration { min(max(self, .zero), .seconds(1 << 35)) }
}

extension ContinuousClock.Instant {
    /// The instant when `duration`, which may be of any length, has passed: now for a negative one, and in a thousand
    /// years at most.
    package static func after(_ duration: Duration) -> Self { .now + duration.bounded }
}

extension Task where Success == Never, Failure == Never {
    /// Sleeps for `duration`, which may be of any length, or until the task is cancelled.
    package static func pause(for duration: Duration) async {
        if duration > .zero { try? await sleep(for: duration.bounded) }
    }
}
