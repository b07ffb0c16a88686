// SPDX-License-Identifier: Apache-2.0

import EtcdKit

/// One key in a queue, from the first attempt to put it until it is certain that it will never be there again.
final class Candidacy: Sendable {
    private struct State {
        var createRevision: Revision?
        /// How many attempts to put the key may still take effect.
        var looseEnds = 0
    }

    let key: Key
    let value: Value
    /// Takes the key if it cannot be deleted before the session is lost.
    let leftovers: Leftovers?
    private let state = Lock(State())

    init(_ key: Key, _ value: Value, _ leftovers: Leftovers? = nil) {
        self.key = key
        self.value = value
        self.leftovers = leftovers
    }

    /// The revision in which the key came into being, once it is known to have done so: its place in the queue.
    var createRevision: Revision? { state.withLock { $0.createRevision } }

    /// The key is in the store, or may be.
    var mayExist: Bool { state.withLock { $0.createRevision != nil || $0.looseEnds > 0 } }

    /// An attempt to put the key may still take effect.
    var hasLooseEnds: Bool { state.withLock { $0.looseEnds > 0 } }

    /// An attempt has put the key.
    func entered(at revision: Revision) {
        state.withLock { $0.createRevision = revision }
    }

    /// An attempt has found the key, which one before it has put.
    func found(at revision: Revision) {
        state.withLock { state in
            if state.createRevision == nil { state.looseEnds -= 1 }
            state.createRevision = revision
        }
    }

    /// The outcome of an attempt is unknown.
    func tried() {
        state.withLock { $0.looseEnds += 1 }
    }
}
