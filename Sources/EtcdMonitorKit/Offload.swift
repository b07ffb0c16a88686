// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Runs blocking work on a thread of its own.
///
/// - Returns: The result; nil if the task is cancelled before the work ends. The work then continues, and its result is
///   dropped.
func offload<Value: Sendable>(_ work: @escaping @Sendable () -> Value) async -> Value? {
    let (values, value) = AsyncStream.makeStream(of: Value.self)
    do throws(SystemError) {
        try Platform.startThread {
            value.yield(work())
            value.finish()
        }
    } catch {
        value.finish()
    }
    return await values.first { _ in true }
}
