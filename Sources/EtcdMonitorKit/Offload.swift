// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Does work that may block on a thread of its own.
///
/// - Returns: The outcome; nil if the task is cancelled before, and the work goes on for nobody.
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
