// SPDX-License-Identifier: Apache-2.0

/// A socket address in the form the system calls take.
package struct SocketAddress: Sendable, Hashable {
    package let family: Int32
    /// The bytes of a `sockaddr`.
    let bytes: [UInt8]

    /// A name that could not be looked up.
    package struct LookupError: Error, Sendable, CustomStringConvertible {
        package let host: String
        package let reason: String
        /// There is certainly no such name; otherwise, this is unknown.
        package let isUnknown: Bool

        package var description: String { "cannot look up \"\(host)\": \(reason)" }
    }
}
