// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// A change of a key, as far as the checkers of histories need it.
struct HistoryEvent: Hashable {
    let revision: Int64
    let key: String
    /// Nil for a deletion.
    let value: String?
    /// The key did not exist before.
    var isCreation = false

    init(_ revision: Int64, put key: String, _ value: String = "", isCreation: Bool = true) {
        (self.revision, self.key, self.value, self.isCreation) = (revision, key, value, isCreation)
    }

    init(_ revision: Int64, delete key: String) {
        (self.revision, self.key, value) = (revision, key, nil)
    }

    init(_ event: WatchEvent) {
        revision = event.revision.rawValue
        key = "\(event.key)"
        value = event.kind == .put ? "\(event.entry.value)" : nil
        isCreation = event.isCreation
    }
}

/// Runs `body`, and returns all that has happened meanwhile to the keys that begin with `name`, revision by revision.
func history(
    of name: Key,
    _ client: EtcdClient,
    _ body: () async throws -> Void
) async throws -> [[HistoryEvent]] {
    let start = try await client.range(.key(name)).header.revision
    try await body()
    let end = try await client.put(name + "-end", "").header.revision
    var revisions: [[HistoryEvent]] = []
    for try await batch in client.watch(.prefix(name), from: start.next).batches {
        if batch.revision >= end { break }
        revisions.append(batch.events.map(HistoryEvent.init))
    }
    return revisions
}
