// SPDX-License-Identifier: Apache-2.0

#if canImport(FoundationEssentials)
    public import FoundationEssentials
#else
    public import Foundation
#endif

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
/// > Note: Swift 6.3 crashes when it compiles a function with a `for await` loop and a `do` that throws only `EtcdError`, if
/// > that has a `catch` with a pattern and no `catch` without one. End with a `catch` without a pattern.
public struct EtcdError: LocalizedError, Sendable, CustomStringConvertible {
    /// The kind of the error, for programs to act on.
    public let code: Code
    /// The explanation, for people.
    ///
    /// It contains etcd's text as etcd sent it, followed by the endpoint.
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

    static let cancelledTask = EtcdError(.cancelled, "the task was cancelled")

    /// The error, with what it is about in its message where etcd does not say that.
    func about(_ subject: @autoclosure () -> String?) -> EtcdError {
        let codes: [Code] = [
            .permissionDenied, .requestTooLarge, .responseTooLarge, .tooManyOperations, .duplicateKey, .keyNotFound,
            .leaseNotFound,
        ]
        guard codes.contains(code), let subject = subject() else { return self }
        return EtcdError(code, "\(message): \(subject)", cause: cause, compactRevision: compactRevision)
    }

    /// The error with the key and the size of the value that was too large; the error itself for any other reason.
    ///
    /// The message of the call says already how large the request was, and what the limit is.
    package func naming(_ key: Key, size: Int) -> EtcdError {
        if code != .requestTooLarge { return self }
        return EtcdError(code, "the value of \"\(key)\" has \(size) bytes: \(message)", cause: cause)
    }

    /// The code, the message and the cause in one line.
    public var description: String {
        let text = "\(code): \(message)"
        return cause.map { "\(text) (\($0))" } ?? text
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
