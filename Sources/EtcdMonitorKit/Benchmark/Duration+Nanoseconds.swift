// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Duration {
    /// The duration in whole nanoseconds, zero if it is negative, and three centuries at most.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(9_000_000_000)).components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    /// The duration of so many nanoseconds, three centuries at most.
    init(nanoseconds: UInt64) {
        self = .nanoseconds(Int64(clamping: nanoseconds))
    }

    /// The duration in milliseconds.
    var inMilliseconds: Double { self / .milliseconds(1) }
    /// The duration in microseconds.
    var inMicroseconds: Double { self / .microseconds(1) }
}
