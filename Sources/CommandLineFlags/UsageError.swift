// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Arguments that make no sense, and why.
package struct UsageError: Error, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// Does something with what `place` says, and names that place in what is wrong with it.
package func naming<Result>(_ place: String, _ body: () throws -> Result) throws(UsageError) -> Result {
    do {
        return try body()
    } catch {
        throw UsageError("\(place): \((error as? EtcdError)?.message ?? "\(error)")")
    }
}
