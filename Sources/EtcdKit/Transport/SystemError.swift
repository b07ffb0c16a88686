// SPDX-License-Identifier: Apache-2.0

/// A system call that failed.
package struct SystemError: Error, Sendable, Hashable, CustomStringConvertible {
    package let call: String
    package let number: Int32

    package var description: String { "\(call): \(reason)" }
    /// The error, without the name of the call.
    package var reason: String { Platform.message(of: number) }
}
