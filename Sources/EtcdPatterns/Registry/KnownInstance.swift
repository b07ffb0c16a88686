// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// An instance, and the judgement of a discovery on it.
final class KnownInstance: Keyed {
    /// The bytes of the ID, since Swift takes some texts with different bytes for equal.
    let key: Key
    let instance: ServiceInstance
    let isSuspect: Bool
    let isHealthy: Bool

    init(_ key: Key, _ instance: ServiceInstance, isSuspect: Bool, isHealthy: Bool) {
        self.key = key
        self.instance = instance
        self.isSuspect = isSuspect
        self.isHealthy = isHealthy
    }

    /// Whether its status is `up` and it has not failed the checks.
    var isAvailable: Bool { instance.status == .up && isHealthy }

    func isSame(as other: KnownInstance?) -> Bool {
        guard let other else { return false }
        return self === other
            || instance == other.instance && isSuspect == other.isSuspect && isHealthy == other.isHealthy
    }
}

extension RegistryProblem: Keyed {}
