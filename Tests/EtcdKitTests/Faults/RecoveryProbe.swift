// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdTesting

/// Measures how soon everything works again after faults, with the clients of the fault run.
struct RecoveryProbe: Sendable {
    /// After so long, something counts as not working again.
    static let patience = Duration.seconds(20)

    private let parties: [(client: EtcdClient, lease: Lease.ID)]
    private let field: FaultField
    private let recorder: FaultRecorder

    /// Grants each client a lease that outlives the run.
    static func make(
        for clients: [EtcdClient],
        _ field: FaultField,
        _ recorder: FaultRecorder
    ) async throws -> RecoveryProbe {
        var parties: [(EtcdClient, Lease.ID)] = []
        for client in clients {
            parties.append((client, try await client.leases.grant(timeToLive: .seconds(7200)).id))
        }
        return RecoveryProbe(parties: parties, field: field, recorder: recorder)
    }

    /// Waits until each client can put, get and renew, and each watcher sees a new put.
    ///
    /// - Returns: How long the slowest of them took.
    func measure(_ occasion: String) async -> Duration {
        let start = ContinuousClock.now
        await withDiscardingTaskGroup { group in
            for (number, party) in parties.enumerated() {
                let key: Key = "run/probe\(number)"
                group.addTask {
                    var attempt = 0
                    await measure("put of client \(number), \(occasion)") {
                        attempt += 1
                        let outcome = await recorder.write(key, "probe\(number) \(occasion) \(attempt)") {
                            () throws(EtcdError) in
                            try await party.client.put(key, "probe\(number) \(occasion) \(attempt)").header.revision
                        }
                        return if case .acknowledged = outcome { true } else { false }
                    }
                }
                group.addTask {
                    await measure("get of client \(number), \(occasion)") {
                        _ = try await party.client.get(key)
                        return true
                    }
                }
                group.addTask {
                    await measure("renewal of client \(number), \(occasion)") {
                        try await party.client.leases.keepAliveOnce(party.lease)
                        return true
                    }
                }
            }
            group.addTask {
                // The change itself does not depend on the clients.
                let revision = try? await withEtcdClient(endpoints: field.cluster.endpoints.joined(separator: ",")) {
                    try await $0.put("run/probe", "probe \(occasion)").header.revision
                }
                await measure("event at all watchers, \(occasion)") {
                    revision.map { recorder.revisionSeenByAll >= $0 } ?? false
                }
            }
        }
        return .now - start
    }

    private func measure(_ what: String, _ works: () async throws -> Bool) async {
        let start = ContinuousClock.now
        while await (try? works()) != true, ContinuousClock.now - start < Self.patience {
            // Cancelled with the run, whose history nobody reads then.
            try? await Task.sleep(for: .milliseconds(10))
        }
        recorder.record(History.Recovery(what: what, duration: ContinuousClock.now - start))
    }
}
