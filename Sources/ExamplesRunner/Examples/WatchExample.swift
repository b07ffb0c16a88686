// SPDX-License-Identifier: Apache-2.0

import EtcdKit

extension Example {
    static let watch = Example(
        name: "watch",
        summary: "sees every change of a prefix, once and in order, also those of the past"
    ) { context in
        let client = context.client
        let jobs = context.prefix + "jobs/"

        var options = WatchOptions()
        options.includesPrevious = true
        // The body starts when the server has confirmed the watch, so it sees all that follows.
        let first = try await client.withWatch(.prefix(jobs), options: options) { events in
            try await client.put(jobs + "1", "queued")
            try await client.put(jobs + "1", "running")
            try await client.put(jobs + "2", "queued")
            try await client.delete(jobs + "1")

            var seen: [WatchEvent] = []
            for try await event in events {
                let before = event.previous.map { " (was \($0.value))" } ?? ""
                switch event.kind {
                case .put: context.say("\(event.revision): \(event.key) is \(event.entry.value)\(before)")
                case .delete: context.say("\(event.revision): \(event.key) is gone\(before)")
                }
                seen.append(event)
                if seen.count == 4 { break }
            }
            return seen
        }
        try context.expect(first.map(\.kind) == [.put, .put, .put, .delete], "three puts and a deletion")

        // The same history once more: a watch can start at any revision that is not compacted.
        context.say("from revision \(first[0].revision) again, a revision at a time:")
        var again: [WatchEvent] = []
        for try await batch in client.watch(.prefix(jobs), from: first[0].revision, options: options).batches {
            context.say("\(batch.revision): \(batch.events.count) change")
            again += batch.events
            if again.count == first.count { break }
        }
        try context.expect(again == first, "the same changes again")
    }
}
