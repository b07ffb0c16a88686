// SPDX-License-Identifier: Apache-2.0

extension EtcdError {
    /// A kind of error, and what to do about it.
    ///
    /// More may be added, so a `switch` over codes needs a `default`.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        /// The name of the code, as in the source.
        public let description: String

        private init(_ name: String) { description = name }

        /// Whether a write that threw an error of this code may have been done, or may yet be done.
        ///
        /// With every other code it was not done.
        public var mayHaveTakenEffect: Bool { [.ambiguous, .cancelled, .clusterMismatch, .noSpace].contains(self) }

        /// Whether `error` is an ``EtcdError`` of the code `code`, for clauses such as `catch EtcdError.Code.compacted`.
        public static func ~= (code: Code, error: any Error) -> Bool { (error as? EtcdError)?.code == code }
    }
}

extension EtcdError.Code {
    // MARK: The client

    /// An endpoint is not written as it should be: correct it.
    public static let invalidEndpoint = Self("invalidEndpoint")
    /// An argument cannot be used: correct it; nothing was done.
    public static let invalidArgument = Self("invalidArgument")
    /// The task was cancelled.
    ///
    /// A write may have been done nevertheless.
    public static let cancelled = Self("cancelled")
    /// An interceptor of the client has refused the call, which was not sent.
    public static let intercepted = Self("intercepted")
    /// The client was closed: make another.
    public static let clientClosed = Self("clientClosed")

    // MARK: The way to etcd

    /// No endpoint could be reached, or a connection broke.
    ///
    /// Nothing was changed; trying again is safe.
    public static let unavailable = Self("unavailable")
    /// No endpoint can be reached, and at each of them something is set up wrongly: the host is unknown, a certificate is
    /// not accepted or cannot be read, or the port speaks another protocol.
    ///
    /// Nothing was changed. Correct the configuration of the client or of the servers: the message has the reason for
    /// each endpoint. A client that has never been connected throws it as soon as all endpoints have failed in this
    /// way; a client that has been connected waits for the call's deadline, as it does for ``unavailable``.
    public static let misconfigured = Self("misconfigured")
    /// The deadline of the call has passed.
    ///
    /// A read may be repeated. A write that was sent throws ``ambiguous`` instead.
    public static let deadlineExceeded = Self("deadlineExceeded")
    /// The write was sent and its outcome is unknown: it may have been done or not.
    ///
    /// Read before you repeat it.
    public static let ambiguous = Self("ambiguous")
    /// The server does not speak etcd's protocol: check the endpoint.
    public static let protocolViolation = Self("protocolViolation")
    /// An endpoint belongs to another cluster than the endpoints before: correct the list.
    ///
    /// A write may have been done there.
    public static let clusterMismatch = Self("clusterMismatch")

    // MARK: Keys, transactions, leases

    /// A key is empty.
    public static let emptyKey = Self("emptyKey")
    /// The key whose value or lease was to be kept does not exist: put it with a value.
    public static let keyNotFound = Self("keyNotFound")
    /// A transaction puts one key twice, or puts and deletes it.
    public static let duplicateKey = Self("duplicateKey")
    /// The keys that `atomically` had read were changed during each of its attempts: try again later, or touch fewer keys.
    ///
    /// Nothing was changed.
    public static let transactionConflict = Self("transactionConflict")
    /// A transaction has more operations than the server allows (128 by default): split it.
    public static let tooManyOperations = Self("tooManyOperations")
    /// The request is larger than the server allows (1.5 MiB by default): split it.
    public static let requestTooLarge = Self("requestTooLarge")
    /// An answer is larger than ``EtcdClient/Configuration/maximumMessageSize``, or has so many small parts that it would
    /// take up far more memory than that: read it in parts.
    public static let responseTooLarge = Self("responseTooLarge")
    /// The requested revision has been compacted: start again from a newer one.
    public static let compacted = Self("compacted")
    /// The requested revision does not exist yet, at least not at the member that was asked.
    public static let futureRevision = Self("futureRevision")
    /// The lease does not exist, or has ended: grant another.
    public static let leaseNotFound = Self("leaseNotFound")
    /// A lease with this ID exists: choose another, or leave the choice to the client.
    public static let leaseExists = Self("leaseExists")
    /// The time to live is longer than etcd allows (9,000,000,000 s).
    public static let leaseTTLTooLarge = Self("leaseTTLTooLarge")
    /// The lease ran out or was revoked while it was kept alive; its keys are gone.
    public static let leaseLost = Self("leaseLost")
    /// The candidate no longer leads the election.
    public static let leadershipLost = Self("leadershipLost")

    // MARK: The state of the cluster

    /// The database is full: compact, defragment and disarm the alarm; deletions are still possible.
    public static let noSpace = Self("noSpace")
    /// The data of a member are corrupt: replace the member.
    public static let corrupt = Self("corrupt")
    /// The server is overloaded.
    ///
    /// Nothing was changed; the client has tried again as long as it may. Slow down.
    public static let tooManyRequests = Self("tooManyRequests")
    /// The leader took no writes at that moment, because it was handing over to another member, or was overloaded.
    ///
    /// Nothing was changed; the client has tried again as long as it may.
    public static let proposalDropped = Self("proposalDropped")
    /// The members that could be reached have no leader.
    ///
    /// Nothing was changed; the client has tried again as long as it may. Wait for a majority of members.
    public static let noLeader = Self("noLeader")
    /// The leader changed during the call; a read may be repeated.
    public static let leaderChanged = Self("leaderChanged")
    /// Only the leader can do this: ask it.
    public static let notLeader = Self("notLeader")
    /// The member is shutting down; a read may be repeated.
    public static let serverStopped = Self("serverStopped")
    /// The cluster did not agree in time; a read may be repeated.
    public static let timedOut = Self("timedOut")
    /// The cluster is not healthy enough for this change of its members: repair it first.
    public static let unhealthy = Self("unhealthy")
    /// A learner cannot do this: ask another member.
    public static let notSupportedForLearner = Self("notSupportedForLearner")
    /// The cluster's version cannot do this, at least until all members are upgraded.
    public static let notCapable = Self("notCapable")
    /// The server does not have this method: it is too old, or it is not etcd.
    public static let unimplemented = Self("unimplemented")
    /// Any other answer of the server; the message is its text.
    public static let server = Self("server")

    // MARK: Members

    /// There is a member with this ID.
    public static let memberExists = Self("memberExists")
    /// There is no member with this ID.
    public static let memberNotFound = Self("memberNotFound")
    /// Another member has this peer URL.
    public static let peerURLExists = Self("peerURLExists")
    /// The URLs of a member are not valid.
    public static let invalidMemberURLs = Self("invalidMemberURLs")
    /// Too few members have started for this change: start them first.
    public static let notEnoughStartedMembers = Self("notEnoughStartedMembers")
    /// Only a learner can be promoted.
    public static let memberNotLearner = Self("memberNotLearner")
    /// The learner has not caught up yet: promote it later.
    public static let learnerNotReady = Self("learnerNotReady")
    /// The cluster has as many learners as it may: promote one first.
    public static let tooManyLearners = Self("tooManyLearners")
    /// The member cannot become the leader: it is a learner, or not known.
    public static let badLeaderTransferee = Self("badLeaderTransferee")
    /// The version to downgrade to is not written as `major.minor`, or is not one minor version below the current one.
    public static let invalidDowngradeVersion = Self("invalidDowngradeVersion")
    /// The cluster has not settled on a version yet: try again later.
    public static let clusterVersionUnavailable = Self("clusterVersionUnavailable")
    /// A downgrade is already in progress.
    public static let downgradeInProgress = Self("downgradeInProgress")
    /// No downgrade is in progress.
    public static let noDowngradeInProgress = Self("noDowngradeInProgress")

    // MARK: Authentication

    /// The user may not do this: grant a role the permission, or use another user.
    public static let permissionDenied = Self("permissionDenied")
    /// The name or the password is wrong.
    public static let authenticationFailed = Self("authenticationFailed")
    /// The cluster requires a user, and the client has none: configure credentials.
    public static let authenticationRequired = Self("authenticationRequired")
    /// etcd does not accept the token, and the client could not get another.
    ///
    /// If the token was issued elsewhere, issue a new one.
    public static let invalidToken = Self("invalidToken")
    /// Users or roles have changed since the token was issued; see ``invalidToken``.
    public static let staleToken = Self("staleToken")
    /// The server, or a proxy in front of it, requires authentication.
    public static let unauthenticated = Self("unauthenticated")
    /// Authentication is not enabled.
    public static let authenticationNotEnabled = Self("authenticationNotEnabled")
    /// Authentication needs a user named `root` to be enabled.
    public static let rootUserNotFound = Self("rootUserNotFound")
    /// The user `root` needs the role `root` for authentication to be enabled.
    public static let rootRoleNotGranted = Self("rootRoleNotGranted")
    /// There is a user of this name.
    public static let userExists = Self("userExists")
    /// There is no user of this name.
    public static let userNotFound = Self("userNotFound")
    /// There is a role of this name.
    public static let roleExists = Self("roleExists")
    /// There is no role of this name.
    public static let roleNotFound = Self("roleNotFound")
    /// The user does not have this role.
    public static let roleNotGranted = Self("roleNotGranted")
    /// The role does not have this permission.
    public static let permissionNotGranted = Self("permissionNotGranted")
    /// Authentication could not work after this change, such as taking the role `root` from the user `root`.
    public static let invalidAuthManagement = Self("invalidAuthManagement")

    // MARK: Snapshots

    /// A snapshot is incomplete, or does not agree with its digest: take another.
    public static let snapshotDamaged = Self("snapshotDamaged")
    /// There is a file at the path of the snapshot: choose another path, or have the file replaced.
    public static let fileExists = Self("fileExists")
    /// A file could not be written: the message has the system's reason.
    public static let fileNotWritten = Self("fileNotWritten")
}
