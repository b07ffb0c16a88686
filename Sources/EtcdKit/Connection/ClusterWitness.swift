// SPDX-License-Identifier: Apache-2.0

/// Remembers what all answers of one cluster agree in: its ID, and that its revisions only rise.
final class ClusterWitness: Sendable {
    private struct Memory {
        var clusterID: UInt64 = 0
        var revision: Revision = 0
    }

    private let memory = Lock(Memory())

    /// The highest revision that was seen.
    var revision: Revision { memory.withLock { $0.revision } }

    /// Checks the ID of a cluster; the first one that is seen is the cluster's.
    ///
    /// - Returns: Why the answer is not to be trusted, or nil.
    func objection(to clusterID: UInt64, of endpoint: Endpoint) -> EtcdError? {
        let known = memory.withLock { memory in
            if memory.clusterID == 0 { memory.clusterID = clusterID }
            return memory.clusterID
        }
        if clusterID == known || clusterID == 0 { return nil }
        let (other, own) = (String(clusterID, radix: 16), String(known, radix: 16))
        return EtcdError(.clusterMismatch, "\(endpoint) belongs to the cluster \(other), not to \(own)")
    }

    /// Notes the revision of an answer that cannot be older than what was seen before its call.
    ///
    /// - Returns: Whether it is older nevertheless.
    func isFall(_ revision: Revision, below floor: Revision) -> Bool {
        memory.withLock { memory in
            // After a fall, which is reported once, the lower revision counts.
            if revision < floor && revision > 0 {
                memory.revision = revision
                return true
            }
            memory.revision = max(memory.revision, revision)
            return false
        }
    }
}
