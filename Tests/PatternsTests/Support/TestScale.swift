// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How much larger the tests of large numbers are than by default.
enum TestScale {
    /// `ETCD_TEST_SCALE`.
    static let factor = ProcessInfo.processInfo.environment["ETCD_TEST_SCALE"].flatMap { Int($0) } ?? 1
    /// How many minutes such a test may take.
    static let minutes = 2 + factor / 4
}
