// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

/// The chapter "Snapshots".
extension Snippets {
    static func snapshots(_ config: ConfigManager) async throws {
        let snapshots = SnapshotManager(config)
        let saved = try await snapshots.create(reason: "before the migration")
        try await config.set("database/host", "db.example.org")
        let seen = config.view.revision
        for change in try await snapshots.difference(from: nil, to: saved.name) {
            print(change.key, "would be", change.new ?? "deleted")
        }
        let before = try await snapshots.restore(saved.name, expecting: seen)
        print("restored; to undo that: restore", before.name)
        let list = try await snapshots.list()
        for record in list.records { print(record.name, record.time, record.author, record.reason) }
        for problem in list.problems { print("no record:", problem) }
        try await snapshots.prune(keeping: 20)
    }

    static func replacement(_ client: EtcdClient) async throws {
        let snapshots = try SnapshotManager("config/app", client: client)
        try await snapshots.create("release-12")
        try await snapshots.replace(with: ["database/host": "localhost", "database/port": 5432])
    }
}
