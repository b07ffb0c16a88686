// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Duration {
    /// The duration in whole nanoseconds, clamped to zero through three centuries.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = min(max(self, .zero), .seconds(9_000_000_000)).components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }

    /// Makes a duration of nanoseconds, at most three centuries.
    init(nanoseconds: UInt64) {
        self = .nanoseconds(Int64(clamping: nanoseconds))
    }

    /// The duration in milliseconds.
    var inMilliseconds: Double { self / .milliseconds(1) }
    /// The duration in microseconds.
    var inMicroseconds: Double { self / .microseconds(1) }
}
