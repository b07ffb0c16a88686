// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long the runs under faults go on, and which faults they meet: see `scripts/pattern-run.sh`.
enum PatternRun {
    /// `PATTERN_RUN_SECONDS`; nil for the short form.
    static let seconds = number("PATTERN_RUN_SECONDS").map { Int(clamping: $0) }
    /// `PATTERN_RUN_SEED`.
    static let seed = number("PATTERN_RUN_SEED") ?? 1
    /// How many minutes a run may take in all.
    static let minutes = (seconds ?? 0) / 60 + 4

    /// Runs `round` once, or again and again until the time of the run is over.
    static func repeating(_ round: (_ number: Int) async throws -> Void) async throws {
        let end = ContinuousClock.now + .seconds(seconds ?? 0)
        var number = 0
        repeat {
            try await round(number)
            number += 1
        } while .now < end
    }

    private static func number(_ name: String) -> UInt64? {
        ProcessInfo.processInfo.environment[name].flatMap { UInt64($0) }
    }
}
