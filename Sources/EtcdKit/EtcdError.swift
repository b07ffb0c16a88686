// SPDX-License-Identifier: Apache-2.0

/// An error of the client, of the connection or of etcd.
///
/// ```swift
/// do {
///     try await client.put("k", "v", lease: lease.id)
/// } catch EtcdError.Code.leaseNotFound {
///     …
/// }
/// ```
///
/// > Note: Swift 6.3.1 crashes when it compiles `for try await` over a sequence of this package within a `do` whose
/// > `catch` has a pattern. Write a `catch` without one there, and look at `error.code` in it.
public struct EtcdError: Error, Sendable, CustomStringConvertible {
    /// What kind of error it is: the part to decide by.
    public let code: Code
    /// What happened, for people.
    ///
    /// Text of etcd stands here as etcd sent it, with the endpoint behind it.
    public let message: String
    /// The error behind this one, if any.
    public let cause: (any Error)?
    /// For ``Code/compacted``: the oldest revision that can still be read, where etcd says so.
    public let compactRevision: Revision?

    package init(_ code: Code, _ message: String, cause: (any Error)? = nil, compactRevision: Revision? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
        self.compactRevision = compactRevision
    }

    /// The code, the message and the cause in one line.
    public var description: String {
        let text = "\(code): \(message)"
        return cause.map { "\(text) (\($0))" } ?? text
    }
}
