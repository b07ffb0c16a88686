// SPDX-License-Identifier: Apache-2.0

import EtcdKit
import EtcdPatterns

extension Example {
    static let config = Example(
        name: "config",
        summary: "a configuration that is followed, checked, saved and restored"
    ) { context in
        let client = context.client
        let name = "\(context.prefix)app"
        let options = ConfigOptions { config in
            let limit = config.int("api/limit", default: 1)
            if limit < 1 { throw ConfigError.invalid("api/limit", "must be at least 1") }
        }
        try await client.withConfiguration(name, options: options) { config in
            try await config.set("database/host", "localhost")
            try await config.set("database/port", 5432)
            try await config.set("api/timeout", Duration.seconds(30))
            let now = config.view
            let (host, port) = (try now.string("database/host"), try now.int("database/port"))
            context.say("revision \(now.revision): the database is \(host):\(port)")
            try context.expect(port == 5432, "the port that was set")

            // Anybody can change a value; this is what `etcdctl put` does.
            var changes = config.changes(of: "api").makeAsyncIterator()
            try await client.put("\(name)/api/timeout", "45s")
            if let change = await changes.next() {
                context.say("\(change.key) was \(change.old ?? "unset"), is \(change.new ?? "unset")")
            }
            try context.expect(try config.duration("api/timeout") == .seconds(45), "the new timeout")

            // A bad state is reported, and the last good one stays.
            var rejections = config.rejections.makeAsyncIterator()
            try await client.put("\(name)/api/limit", "none")
            if let rejection = await rejections.next() { context.say("rejected: \(rejection.error.message)") }
            try context.expect(config.isStale && config["api/limit"] == nil, "the last good state")
            try await config.set("api/limit", 100)
            try context.expect(!config.isStale, "a good state again")

            let snapshots = SnapshotManager(config)
            let saved = try await snapshots.create(reason: "before the move")
            try await config.change { edit in
                try edit.set("database/host", "db.example.org")
                try edit.delete("api/limit")
            }
            for change in try await snapshots.difference(from: saved.name, to: nil) {
                context.say("since \(saved.name): \(change.key) is \(change.new ?? "deleted")")
            }
            let before = try await snapshots.restore(saved.name)
            context.say("restored \(saved.name), and saved what was there as \(before.name)")
            try context.expect(try config.string("database/host") == "localhost", "the old host")
            try context.expect(try config.int("api/limit") == 100, "the deleted limit")
        }
    }
}
