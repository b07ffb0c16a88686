// SPDX-License-Identifier: Apache-2.0

/// The reason why a page of metrics cannot be parsed.
struct ExpositionError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The line, counted from 1.
    let line: Int
    /// A description of the reason.
    let reason: String

    /// The line and the reason.
    var description: String { "line \(line): \(reason)" }
}
