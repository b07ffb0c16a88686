// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// How a registration stands; see ``Registration/states``.
public enum RegistrationState: Sendable {
    /// The instance is not in the store yet: it is tried again and again.
    ///
    /// The error says what has failed last; nil if nothing has yet. A registration is in this state while etcd cannot be
    /// reached from the start.
    case pending((any Error)?)
    /// The instance is in the store as it is described, since this revision.
    case registered(at: Revision)
    /// The instance was in the store, and may not be there now, or not as it is described: it is tried again and again.
    ///
    /// The error says why: a ``CoordinationLoss`` when the lease was lost, or an ``EtcdError``.
    case degraded(any Error)
    /// Another process has registered later as the same instance, which is this one; the registration has ended.
    case superseded(by: ServiceInstance)
    /// The registration has ended.
    case deregistered

    /// The registration has not ended.
    var isLasting: Bool {
        switch self {
        case .pending, .registered, .degraded: true
        case .superseded, .deregistered: false
        }
    }
}
