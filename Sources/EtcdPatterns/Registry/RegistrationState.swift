// SPDX-License-Identifier: Apache-2.0

public import EtcdKit

/// How a registration stands; see ``Registration/states``.
public enum RegistrationState: Sendable {
    /// The instance is in the store as it is described, since this revision.
    case registered(at: Revision)
    /// The instance may not be in the store, or not as it is described: it is tried again and again.
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
        case .registered, .degraded: true
        case .superseded, .deregistered: false
        }
    }
}
