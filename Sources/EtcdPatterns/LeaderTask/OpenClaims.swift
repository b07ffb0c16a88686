// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// The claims of one run of a task whose outcome is not known: each may be in the store, or may still come there.
struct OpenClaims: Sendable {
    /// A record that this run has put, or tried to put, in place of another one.
    struct Claim: Sendable, Equatable {
        let record: TaskRecord
        let plan: TaskSchedule.Plan
        /// The revision of the record that it takes the place of; 0 for none.
        let base: Revision
    }

    private var claims: [Claim] = []

    var isEmpty: Bool { claims.isEmpty }

    mutating func insert(_ claim: Claim) {
        if !claims.contains(claim) { claims.append(claim) }
    }

    /// Finds the outcome of the claims, given the record that is in the store at `revision`.
    ///
    /// A claim holds only over the record that it was made for. Once there is another one, either that is the claim, or the
    /// claim will never take effect.
    ///
    /// - Returns: The claim that `record` is; nil if it is none of these.
    mutating func resolve(by record: TaskRecord?, at revision: Revision) -> Claim? {
        let known = claims.first { $0.record == record }
        claims.removeAll { $0.base != revision }
        return known
    }
}
