// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// Detects that the store was restored from a backup that is older than what the session has seen.
///
/// Three things show that. The revision or the term of Raft is lower than in an earlier answer. Or a key that the session
/// has deleted is there again: once the restored store has grown, its revision may be as high as before. It is enough to
/// look for the key that was deleted last, since a restoration that undoes an earlier deletion undoes the last one, too.
/// A restoration that undoes a put is seen by the holder of the key.
final class StoreWitness: Sendable {
    /// The numbers that never fall from one linearizable answer to a later one.
    struct Position: Sendable {
        var revision: Revision = 0
        var term: UInt64 = 0
    }

    private struct State {
        var position = Position()
        /// A key that the session may read.
        var readable: Key
        /// The last key that was deleted and will not be created again, and the revision at which it was missing.
        var givenUp: (key: Key, revision: Revision)?
    }

    private let state: Lock<State>

    /// A witness that reads `key` as long as it knows no other.
    init(reading key: Key) { state = Lock(State(readable: key)) }

    /// The highest position that was seen so far.
    var position: Position { state.withLock { $0.position } }

    /// The session uses a key of its own.
    func uses(_ key: Key) { state.withLock { $0.readable = key } }

    /// A key of the session is not in the store at `revision`, and will not be created again.
    func gaveUp(_ key: Key, at revision: Revision) {
        state.withLock { if revision > $0.givenUp?.revision ?? 0 { $0.givenUp = (key, revision) } }
    }

    /// Notes the header of a linearizable answer; returns whether the store is behind `floor`, the position before the
    /// request.
    func isFall(_ header: ResponseHeader, below floor: Position) -> Bool {
        state.withLock { state in
            state.position.revision = max(state.position.revision, header.revision)
            state.position.term = max(state.position.term, header.raftTerm)
        }
        // Zero means that the number is not known.
        return (1..<max(floor.revision.rawValue, 1)).contains(header.revision.rawValue)
            || (1..<max(floor.term, 1)).contains(header.raftTerm)
    }

    /// Checks the store once it can be reached, and returns the reason if it is no longer reliable.
    func examine(_ client: EtcdClient, attempt: Duration) async -> CoordinationLoss? {
        let (floor, readable, givenUp) = state.withLock { ($0.position, $0.readable, $0.givenUp?.key) }
        var options = RangeOptions()
        options.keysOnly = true
        do throws(EtcdError) {
            let response = try await client.retryingUntilKnown(attempt: attempt) { [options] client throws(EtcdError) in
                try await client.range(.key(givenUp ?? readable), options: options)
            }
            let isBack = givenUp != nil && !response.entries.isEmpty
            return isFall(response.header, below: floor) || isBack ? CoordinationLoss(.revisionRegressed) : nil
        } catch {
            // A check that may not read, or is cancelled, detects nothing.
            return error.code == .clusterMismatch ? CoordinationLoss(.clusterChanged, cause: error) : nil
        }
    }
}
