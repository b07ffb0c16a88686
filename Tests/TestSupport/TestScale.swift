// SPDX-License-Identifier: Apache-2.0

import Foundation

/// How long the slow tests are, which have a short form and a long one.
package enum TestScale {
    /// `ETCD_TEST_SCALE`: 1 for the short form, which is the default, and more for the long one.
    package static let factor = ProcessInfo.processInfo.environment["ETCD_TEST_SCALE"].flatMap { Int($0) } ?? 1

    /// How many minutes a test may take whose numbers grow with the factor.
    package static let minutes = 2 + factor / 4

    /// `short`, or `long` in the long form.
    package static func pick<Value>(_ short: Value, long: Value) -> Value { factor > 1 ? long : short }
}
