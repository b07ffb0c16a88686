// SPDX-License-Identifier: Apache-2.0

import Synchronization

/// Checks that all answers come from one cluster: they have the same cluster ID, and revisions that only rise.
final class ClusterIdentity: Sendable {
    private let clusterID = Atomic<UInt64>(0)
    private let highest = Atomic<Int64>(0)

    /// The highest revision that was seen.
    var revision: Revision { Revision(rawValue: highest.load(ordering: .relaxed)) }

    /// Checks the ID of a cluster; the first one that is seen is the cluster's.
    ///
    /// - Returns: Why the answer is not to be trusted, or nil.
    func objection(to clusterID: UInt64, of endpoint: Endpoint) -> EtcdError? {
        var known = self.clusterID.load(ordering: .relaxed)
        if known == 0 {
            known = self.clusterID.compareExchange(expected: 0, desired: clusterID, ordering: .relaxed).original
        }
        if clusterID == known || clusterID == 0 || known == 0 { return nil }
        let (other, own) = (String(clusterID, radix: 16), String(known, radix: 16))
        return EtcdError(.clusterMismatch, "\(endpoint) belongs to the cluster \(other), not to \(own)")
    }

    /// Notes the revision of an answer that cannot be older than what was seen before its call.
    ///
    /// - Returns: Whether it is older nevertheless.
    func isFall(_ revision: Revision, below floor: Revision) -> Bool {
        // After a fall, which is reported once, the lower revision counts.
        if revision < floor && revision > 0 {
            highest.store(revision.rawValue, ordering: .relaxed)
            return true
        }
        if revision.rawValue > highest.load(ordering: .relaxed) {
            highest.max(revision.rawValue, ordering: .relaxed)
        }
        return false
    }
}
