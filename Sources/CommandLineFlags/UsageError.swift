// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// An error in the arguments.
package struct UsageError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Runs a closure, and adds the name of a place to its errors.
package func naming<Result>(_ place: String, _ body: () throws -> Result) throws(UsageError) -> Result {
    do {
        return try body()
    } catch {
        throw UsageError("\(place): \((error as? EtcdError)?.message ?? "\(error)")")
    }
}
