// SPDX-License-Identifier: Apache-2.0

@testable import EtcdKit
@testable import EtcdPatterns

/// Goes on while `isStuck` holds true, also when its task is cancelled: a body that does not end when it is cancelled.
func ignoreCancellation(while isStuck: Lock<Bool>) async {
    while isStuck.withLock({ $0 }) { await withoutCancellation { await Task.pause(for: .milliseconds(5)) } }
}
