// SPDX-License-Identifier: Apache-2.0

import Testing

/// Waits until `condition` holds, and fails the test if it does not within the bound.
///
/// - Parameters:
///   - bound: How long to wait.
///   - description: The condition in words, for the failure.
///   - fileID: With the others, the place at which the failure is shown.
///   - filePath: As `fileID`.
///   - line: As `fileID`.
///   - column: As `fileID`.
///   - condition: Asked again every five milliseconds.
/// - Throws: The errors of `condition`, ``NotInTime``, or `CancellationError`.
package func eventually(
    within bound: Duration = .seconds(30),
    _ description: String,
    fileID: String = #fileID,
    filePath: String = #filePath,
    line: Int = #line,
    column: Int = #column,
    _ condition: () async throws -> Bool
) async throws {
    let deadline = ContinuousClock.now + bound
    while try await !condition() {
        guard .now < deadline else {
            let place = SourceLocation(fileID: fileID, filePath: filePath, line: line, column: column)
            Issue.record("not within \(bound): \(description)", sourceLocation: place)
            throw NotInTime(description: description)
        }
        try await Task.sleep(for: .milliseconds(5))
    }
}

/// A condition that did not hold in time, and whose failure is recorded.
package struct NotInTime: Error, CustomStringConvertible {
    package let description: String
}

/// Waits until a condition holds.
///
/// - Parameters:
///   - bound: How long to wait.
///   - condition: Asked again every five milliseconds.
/// - Returns: Whether it held in time.
package func eventually(within bound: Duration = .seconds(30), _ condition: () async -> Bool) async -> Bool {
    let deadline = ContinuousClock.now + bound
    while .now < deadline {
        if await condition() { return true }
        try? await Task.sleep(for: .milliseconds(5))
    }
    return false
}
