// SPDX-License-Identifier: Apache-2.0

package import EtcdKit
package import Testing

/// Expects `operation` to throw an `EtcdError` with the code `code`.
package func expectError<Result>(
    _ code: EtcdError.Code,
    sourceLocation: SourceLocation = #_sourceLocation,
    _ operation: () async throws -> Result
) async {
    do {
        let result = try await operation()
        Issue.record("\(code) was expected, and not \(result)", sourceLocation: sourceLocation)
    } catch let error as EtcdError where error.code == code {
        // As expected.
    } catch {
        Issue.record("\(code) was expected, and not \(error)", sourceLocation: sourceLocation)
    }
}
