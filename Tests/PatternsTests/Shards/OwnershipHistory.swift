// SPDX-License-Identifier: Apache-2.0

import Testing

@testable import EtcdKit
@testable import EtcdPatterns

/// The owner of each shard over time, as the owners believe it: all of them have one clock here.
final class OwnershipHistory: Sendable {
    struct Ownership: Sendable {
        let member: String
        let shard: Shard
        let start: ContinuousClock.Instant

        /// When the owner has stopped believing in it; nil if it still does.
        var end: ContinuousClock.Instant? { shard.ownership.lifetime.loss?.instant }
    }

    private let ownerships = Lock<[Ownership]>([])

    func begin(_ shard: Shard, at member: String) {
        ownerships.withLock { $0.append(Ownership(member: member, shard: shard, start: .now)) }
    }

    var count: Int { ownerships.withLock { $0.count } }

    /// Pairs of owners of one shard that overlap in time, or are not in the order of their tokens.
    var overlaps: [String] {
        var overlaps: [String] = []
        for (id, turns) in Dictionary(grouping: ownerships.withLock { $0 }, by: \.shard.id) {
            let turns = turns.sorted { $0.shard.fencingToken < $1.shard.fencingToken }
            for (turn, next) in zip(turns, turns.dropFirst()) {
                let end = turn.end.map { "\($0)" } ?? "never"
                if turn.shard.fencingToken == next.shard.fencingToken || turn.end.map({ next.start < $0 }) ?? true {
                    overlaps.append("\(id): \(turn.member) until \(end), \(next.member) from \(next.start)")
                }
            }
        }
        return overlaps
    }
}

/// The store's view of shards: all changes since a revision.
struct ShardReplay {
    private(set) var violations: [String] = []
    private(set) var ownerships = 0
    private(set) var writes = 0

    /// Replays the changes under `name` after `start`, in which bodies have put their tokens under `<name>/data/<shard>`.
    init(_ client: EtcdClient, _ name: Key, after start: Revision) async throws {
        let end = try await client.put(name + "/end", "").header.revision
        var tokens: [Key: Revision] = [:]
        for try await event in client.watch(.prefix(name + "/"), from: start.next) {
            if event.revision >= end { break }
            let parts = event.key.bytes.dropFirst(name.bytes.count + 1).split(separator: UInt8(ascii: "/"))
            guard parts.count == 2, let kind = parts.first, let id = parts.last.map({ Key(bytes: Array($0)) }) else {
                continue
            }
            if kind.elementsEqual("owners".utf8) {
                guard event.kind == .put else {
                    tokens[id] = nil
                    continue
                }
                if !event.isCreation { violations.append("\(id) was put over its owner in \(event.revision)") }
                tokens[id] = event.entry.createRevision
                ownerships += 1
            } else if kind.elementsEqual("data".utf8), event.kind == .put {
                writes += 1
                if tokens[id].map({ "\($0)" }) != event.entry.value.description {
                    violations.append("\(id) was written under \(event.entry.value) in \(event.revision)")
                }
            }
        }
    }
}
