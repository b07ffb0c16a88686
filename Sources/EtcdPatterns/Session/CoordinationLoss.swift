// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// Something that was held is held no more: a session, a lock.
///
/// A loss is for good: what is acquired afterwards is another hold, with a token of its own.
public struct CoordinationLoss: Error, Sendable, CustomStringConvertible {
    /// Why something is held no more.
    ///
    /// More may be added, so a `switch` over reasons needs a `default`.
    public struct Reason: Sendable, Hashable, CustomStringConvertible {
        /// The name of the reason, as in the source.
        public let description: String

        /// The lease was not renewed in time: it may still live at the server, but not certainly.
        public static let deadline = Self(description: "deadline")
        /// The server has ended the lease, or another client has revoked it.
        public static let leaseEnded = Self(description: "leaseEnded")
        /// The server refuses to renew the lease.
        public static let renewalRefused = Self(description: "renewalRefused")
        /// The key that stands for the hold was deleted, though not by its holder.
        public static let keyDeleted = Self(description: "keyDeleted")
        /// A guarded transaction was refused, since the key is gone or another's.
        public static let guardFailed = Self(description: "guardFailed")
        /// The endpoints belong to another cluster now.
        public static let clusterChanged = Self(description: "clusterChanged")
        /// The store is older than it was: it was restored from a backup, and may have forgotten or revived holds.
        public static let revisionRegressed = Self(description: "revisionRegressed")
        /// A key could not be deleted when it was given up, so its lease, with all its keys, was given up too.
        public static let abandoned = Self(description: "abandoned")
        /// The session, or its client, was closed.
        public static let closed = Self(description: "closed")
        /// A lock for writing is one for reading now, as its holder wanted; see ``ReadWriteLock/downgrade(_:)``.
        public static let downgraded = Self(description: "downgraded")
        /// The holder has released it.
        public static let released = Self(description: "released")
    }

    /// Why it is held no more: the part to decide by.
    public let reason: Reason
    /// When it was lost: at the latest moment at which it was certainly held, where the reason is the deadline.
    public let instant: ContinuousClock.Instant
    /// The error behind the loss, if any.
    public let cause: EtcdError?
    /// How long work under the hold has gone on after the loss, where this was thrown by the scope of such work.
    public internal(set) var overrun: Duration?

    init(_ reason: Reason, at instant: ContinuousClock.Instant = .now, cause: EtcdError? = nil) {
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

    /// The same loss, as it is thrown once the work under the hold has ended.
    var overrunUntilNow: CoordinationLoss {
        var loss = self
        loss.overrun = max(.zero, .now - instant)
        return loss
    }

    /// The reason and the cause in one line.
    public var description: String {
        cause.map { "lost: \(reason) (\($0))" } ?? "lost: \(reason)"
    }
}
