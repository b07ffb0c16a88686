// SPDX-License-Identifier: Apache-2.0

public import EtcdKit
public import Foundation

/// A session, a lock or another grant is no longer held.
///
/// A loss is final: a later acquisition is another grant, with another token.
public struct CoordinationLoss: LocalizedError, Sendable, CustomStringConvertible {
    /// The reason of a loss.
    ///
    /// More may be added, so a `switch` over reasons needs a `default`.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        /// The name of the reason, as in the source.
        public let description: String

        /// The lease was not renewed in time: it may still exist at the server, but that is not certain.
        public static let deadline = Self(description: "deadline")
        /// The server has ended the lease, or another client has revoked it.
        public static let leaseEnded = Self(description: "leaseEnded")
        /// The server refuses to renew the lease.
        public static let renewalRefused = Self(description: "renewalRefused")
        /// The key that represents the grant was deleted by another client.
        public static let keyDeleted = Self(description: "keyDeleted")
        /// etcd refused a guarded transaction, because the key is gone or belongs to another holder.
        public static let guardFailed = Self(description: "guardFailed")
        /// Another instance has registered under the same name.
        public static let superseded = Self(description: "superseded")
        /// The endpoints belong to another cluster now.
        public static let clusterChanged = Self(description: "clusterChanged")
        /// The store is older than it was: it was restored from a backup, which may lack grants, or have old ones.
        public static let revisionRegressed = Self(description: "revisionRegressed")
        /// A key could not be deleted on release, so its lease was given up, with all its keys.
        public static let abandoned = Self(description: "abandoned")
        /// The session, or its client, was closed.
        public static let closed = Self(description: "closed")
        /// The holder of a lock for writing has downgraded it to a lock for reading.
        public static let downgraded = Self(description: "downgraded")
        /// The holder has released it.
        public static let released = Self(description: "released")
    }

    /// The reason, for programs to act on.
    public let reason: Reason
    /// The time of the loss; for the reason `deadline`, the last moment at which it was certainly held.
    public let instant: ContinuousClock.Instant
    /// The error behind the loss, if any.
    public let cause: EtcdError?
    /// How long the body of a scope went on after the loss, if the scope has thrown this.
    public internal(set) var overrun: Duration?

    /// Makes a loss with these properties, for tests.
    public init(_ reason: Reason, at instant: ContinuousClock.Instant = .now, cause: EtcdError? = nil) {
        self.reason = reason
        self.instant = instant
        self.cause = cause
    }

    /// The loss of a lease whose renewal has ended with `error`.
    init(ofLease error: EtcdError) {
        let reason: Reason =
            switch (error.cause as? EtcdError)?.code ?? error.code {
            case .leaseNotFound: .leaseEnded
            case .permissionDenied: .renewalRefused
            case .clusterMismatch: .clusterChanged
            case .clientClosed: .closed
            // Revoked by this client.
            case .leaseLost where error.cause == nil: .leaseEnded
            default: .deadline
            }
        self.init(reason, cause: error)
    }

    /// The same loss, for a scope to throw once its body has ended.
    var overrunUntilNow: CoordinationLoss {
        var loss = self
        loss.overrun = max(.zero, .now - instant)
        return loss
    }

    /// The reason and the cause in one line.
    public var description: String {
        cause.map { "lost: \(reason) (\($0))" } ?? "lost: \(reason)"
    }

    /// The same as ``description``.
    public var errorDescription: String? { description }
}
