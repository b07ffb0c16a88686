// SPDX-License-Identifier: Apache-2.0

import Testing

/// Waits until `condition` holds, and fails the test if it does not within the bound.
func eventually(
    within bound: Duration = .seconds(30),
    _ what: String,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + bound
    while try await !condition() {
        try #require(ContinuousClock.now < deadline, "not within \(bound): \(what)")
        try await Task.sleep(for: .milliseconds(5))
    }
}
