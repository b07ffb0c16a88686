// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Leases, watches, mirrors.
extension Snippets {
    static func leases(_ client: EtcdClient) async throws {
        let lease = try await client.leases.grant(timeToLive: .seconds(30))
        try await client.put("sessions/1", "me", lease: lease.id)
        let renewal = try await client.leases.keepAliveOnce(lease.id)
        let status = try await client.leases.timeToLive(of: lease.id, withKeys: true)
        print(status.keys, "live", status.remainingTimeToLive, "without a renewal, at least until", renewal.deadline)
        print("one of", try await client.leases.list())
        try await client.leases.revoke(lease.id)
    }

    static func runningWatch(_ client: EtcdClient) async throws {
        var options = WatchOptions()
        options.includesPrevious = true
        options.ignoresDeletes = true
        try await client.withWatch(.prefix("jobs/"), options: options) { changes in
            try await client.put("jobs/1", "new")
            for try await event in changes {
                print(event.key, "was", event.previous?.value ?? "not there", "and is", event.entry.value)
                break
            }
        }
    }

    static func progress(_ client: EtcdClient) async throws {
        var options = WatchOptions()
        options.reportsProgress = true
        try await client.withWatch(.prefix("jobs/"), options: options) { changes in
            await client.requestWatchProgress()
            for try await batch in changes.batches where batch.events.isEmpty {
                print("all changes up to revision", batch.revision, "are here")
                break
            }
        }
    }

    static func mirror(_ client: EtcdClient) async throws {
        try await client.withMirror(of: .prefix("services/")) { mirror in
            for entry in mirror.view.entries(in: .prefix("services/api/")) { print(entry.key, entry.value) }
            let put = try await client.put("services/api/1", "10.0.0.7:80")
            let own = try await mirror.waitUntil(revision: put.header.revision)
            let present = try await mirror.consistentView()
            print(own["services/api/1"]?.value ?? "gone", "as of", present.revision, "of", present.count)
        }
    }

    static func mirrorChanges(_ client: EtcdClient) async throws {
        try await client.withMirror(of: .prefix("services/")) { mirror in
            for try await change in mirror.changes {
                print("at", change.revision, "new:", change.puts.map(\.entry.key), "gone:", change.deletions.map(\.key))
            }
        }
    }

    static func mirrorWithoutEtcd(_ client: EtcdClient) async throws {
        var options = MirrorOptions()
        options.initialWait = .seconds(5)
        try await client.withMirror(of: .prefix("services/"), options: options) { mirror in
            if mirror.isStale { print("starting without etcd") }
            for try await change in mirror.changes { print(change.puts.map(\.entry.key)) }
        }
    }
}
