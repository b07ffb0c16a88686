// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a page of metrics.
struct ExpositionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The line, counted from 1.
    let line: Int
    /// What is wrong with it, for people.
    let reason: String

    /// The line and the reason.
    var description: String { "line \(line): \(reason)" }
}
