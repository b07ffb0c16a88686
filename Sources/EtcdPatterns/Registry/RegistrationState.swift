// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// The state of a registration; see ``Registration/states``.
///
/// More may be added, so a `switch` over states needs a `default`.
public enum RegistrationState: Sendable, CustomStringConvertible {
    /// The instance is not in the store yet; the client goes on trying.
    ///
    /// The error is that of the last attempt; nil before the first one has failed. A registration is in this state while
    /// etcd cannot be reached from the start.
    case pending((any Error)?)
    /// The instance is in the store as it is described, since this revision.
    case registered(at: Revision)
    /// The instance was in the store. Its entry may be missing now, or out of date; the client goes on trying.
    ///
    /// The error is a ``CoordinationLoss`` when the lease was lost, or an ``EtcdError``.
    case degraded(any Error)
    /// Another process has registered the same instance later; the registration has ended.
    case superseded(by: ServiceInstance)
    /// The registration has ended.
    case deregistered

    /// Whether the registration goes on.
    var isLasting: Bool {
        switch self {
        case .pending, .registered, .degraded: true
        case .superseded, .deregistered: false
        }
    }

    /// The state, and its revision, error or successor, in one line.
    public var description: String {
        switch self {
        case .pending(let error): error.map { "pending: \($0)" } ?? "pending"
        case .registered(let revision): "registered at revision \(revision)"
        case .degraded(let error): "degraded: \(error)"
        case .superseded(let successor): "superseded by \(successor)"
        case .deregistered: "deregistered"
        }
    }
}
