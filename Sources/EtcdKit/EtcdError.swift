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

    init(_ code: Code, _ message: String, cause: (any Error)? = nil, compactRevision: Revision? = nil) {
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

extension EtcdError {
    /// A kind of error.
    ///
    /// More may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the code, as in the source.
        public let description: String

        private init(_ name: String) { description = name }

        // MARK: The client

        /// An endpoint is not written as it should be.
        public static let invalidEndpoint = Code("invalidEndpoint")
        /// An argument cannot be used; nothing was sent.
        public static let invalidArgument = Code("invalidArgument")
        /// The task was cancelled.
        ///
        /// A write may have happened nevertheless.
        public static let cancelled = Code("cancelled")
        /// The client was closed.
        public static let clientClosed = Code("clientClosed")

        // MARK: The way to etcd

        /// No endpoint could be reached, or a connection broke.
        ///
        /// Nothing was changed; trying again is safe.
        public static let unavailable = Code("unavailable")
        /// The time for the call is over.
        ///
        /// A read may be repeated; a write throws ``ambiguous`` once it was sent.
        public static let deadlineExceeded = Code("deadlineExceeded")
        /// The call was sent and its outcome is unknown: the write may have happened or not.
        ///
        /// Read before you repeat it.
        public static let ambiguous = Code("ambiguous")
        /// The server sent something that is not etcd's protocol.
        public static let protocolViolation = Code("protocolViolation")

        // MARK: Requests

        /// A key is empty.
        public static let emptyKey = Code("emptyKey")
        /// The key whose value or lease was to be kept does not exist.
        public static let keyNotFound = Code("keyNotFound")
        /// A transaction puts one key twice, or puts and deletes it.
        public static let duplicateKey = Code("duplicateKey")
        /// A transaction has more operations than the server allows (128 by default).
        public static let tooManyOperations = Code("tooManyOperations")
        /// The request is larger than the server allows (1.5 MiB by default).
        public static let requestTooLarge = Code("requestTooLarge")
        /// An answer is larger than ``EtcdClient/Configuration/maximumMessageSize``: read it in parts.
        public static let responseTooLarge = Code("responseTooLarge")
        /// The revision asked for was compacted away: start again from a newer one.
        public static let compacted = Code("compacted")
        /// The revision asked for does not exist yet.
        public static let futureRevision = Code("futureRevision")
        /// The lease does not exist, any more or at all.
        public static let leaseNotFound = Code("leaseNotFound")
        /// A lease with this ID exists.
        public static let leaseExists = Code("leaseExists")
        /// The time to live is longer than etcd allows.
        public static let leaseTTLTooLarge = Code("leaseTTLTooLarge")
        /// The lease ran out or was revoked while it was kept alive.
        public static let leaseLost = Code("leaseLost")

        // MARK: The state of the cluster

        /// The database is full: compact, defragment and disarm the alarm.
        public static let noSpace = Code("noSpace")
        /// The data of a member are corrupt.
        public static let corrupt = Code("corrupt")
        /// The server has too much to do.
        ///
        /// Nothing was changed; try again later.
        public static let tooManyRequests = Code("tooManyRequests")
        /// The member has no leader.
        ///
        /// Nothing was changed; try again, best at another member.
        public static let noLeader = Code("noLeader")
        /// The leader changed during the call.
        public static let leaderChanged = Code("leaderChanged")
        /// Only the leader can do this.
        public static let notLeader = Code("notLeader")
        /// The member is shutting down.
        public static let serverStopped = Code("serverStopped")
        /// The cluster did not agree in time.
        public static let timedOut = Code("timedOut")
        /// The cluster is not healthy.
        public static let unhealthy = Code("unhealthy")
        /// A learner cannot do this.
        public static let notSupportedForLearner = Code("notSupportedForLearner")
        /// The cluster's version cannot do this.
        public static let notCapable = Code("notCapable")
        /// The server does not have this method.
        public static let unimplemented = Code("unimplemented")

        // MARK: Authentication

        /// The user may not do this.
        public static let permissionDenied = Code("permissionDenied")
        /// The server wants a user, or no longer accepts the token.
        public static let unauthenticated = Code("unauthenticated")

        /// Any other answer of the server; the message is its text.
        public static let server = Code("server")

        /// Whether `error` is an ``EtcdError`` of the code `code`, for clauses such as `catch EtcdError.Code.compacted`.
        public static func ~= (code: Code, error: any Error) -> Bool { (error as? EtcdError)?.code == code }
    }
}
