// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// An instance, and what a discovery makes of it.
final class KnownInstance: Keyed {
    /// The bytes of the id: texts that look alike may differ in their bytes.
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

    /// It says that it is up, and has not failed the checks.
    var isAvailable: Bool { instance.status == .up && isHealthy }

    func isSame(as other: KnownInstance?) -> Bool {
        guard let other else { return false }
        return self === other
            || instance == other.instance && isSuspect == other.isSuspect && isHealthy == other.isHealthy
    }
}

extension RegistryProblem: Keyed {}
