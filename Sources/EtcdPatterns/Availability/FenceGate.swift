// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A gate at a server that takes requests from leaders: it refuses those of leaders before the newest one it has seen.
///
/// ```swift
/// headers[FenceGate.headerName] = FenceGate.headerValue(of: term.fencingToken)
/// ```
///
/// and at the server, where requests are handled one after the other, before each takes effect:
///
/// ```swift
/// try gate.admit(headerValue: headers[FenceGate.headerName])
/// ```
///
/// So a leader that was stopped, or whose packet was late, cannot undo the work of its successor, from the successor's
/// first request on. The gate keeps the highest token in memory only. To refuse older ones from the start, begin with a token
/// that was stored, or with that of the current leader in etcd.
public final class FenceGate: Sendable {
    /// A name for the header.
    public static let headerName = "Etcd-Fencing-Token"

    private let seen: Lock<Revision>

    /// Makes a gate.
    ///
    /// - Parameter highest: The lowest token to let in, such as the highest that was seen before a restart.
    public init(highest: Revision = 0) { seen = Lock(highest) }

    /// The highest token so far.
    public var highest: Revision { seen.withLock { $0 } }

    /// Lets a request in, unless one with a higher token was let in before.
    ///
    /// - Parameter token: The ``FencedGrant/fencingToken`` of the leader that makes the request.
    /// - Throws: ``Refusal``.
    public func admit(_ token: Revision) throws(Refusal) {
        let highest = seen.withLock { highest in
            highest = max(highest, token)
            return highest
        }
        if token < highest { throw .outdated(token, highest: highest) }
    }

    /// Lets a request in whose token is in a header, unless one with a higher token was let in before.
    ///
    /// - Parameter text: The value of the header, as ``headerValue(of:)`` makes it; nil if there is none.
    /// - Throws: ``Refusal``, also of a value that is missing or not a token.
    public func admit(headerValue text: String?) throws(Refusal) {
        guard let text else { throw .missing }
        guard let number = Int64(text), number > 0, String(number) == text else { throw .malformed(text) }
        try admit(Revision(rawValue: number))
    }

    /// The value of a header with a token.
    ///
    /// - Parameter token: The token.
    /// - Returns: Its decimal digits.
    public static func headerValue(of token: Revision) -> String { token.description }

    /// A request was not let in.
    ///
    /// More may be added, so a `switch` over refusals needs a `default`.
    public enum Refusal: LocalizedError, Sendable, Hashable, CustomStringConvertible {
        /// A request with a higher token was let in before.
        case outdated(Revision, highest: Revision)
        /// There is no token.
        case missing
        /// This is not a token.
        case malformed(String)

        /// The refusal in one line.
        public var description: String {
            switch self {
            case .outdated(let token, let highest): "the token \(token) is outdated: there was \(highest)"
            case .missing: "there is no token"
            case .malformed(let text): "\"\(text.prefix(40))\" is not a token"
            }
        }

        /// The same as ``description``.
        public var errorDescription: String? { description }
    }
}
