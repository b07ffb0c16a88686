// SPDX-License-Identifier: Apache-2.0

/// A watch as its consumer holds it, which ends when nobody holds it any more.
///
/// Where the options say so, it bridges compactions: then it knows what its consumer has been told to exist, and starts
/// another watch after it has told the difference to what there is.
final class WatchHandle: Sendable {
    private struct State {
        var watcher: Watcher?
        /// Nil for a watch that throws when history was compacted.
        var known: KnownKeys?
        /// What came before was read only to know what there is.
        var firstRevision: Revision = 0
        var isStopped = false
    }

    private let client: EtcdClient
    private let range: KeyRange
    /// The range as etcd knows it, outside the client's namespace.
    private let watchedRange: KeyRange
    private let options: WatchOptions
    private let state = Lock(State())

    init(_ client: EtcdClient, _ range: KeyRange, _ options: WatchOptions) {
        self.client = client
        self.range = range
        watchedRange = range.entering(client.scope)
        self.options = options
    }

    deinit { stop() }

    var watcher: Watcher? { state.withLock { $0.watcher } }

    /// Starts the watch.
    func start(from revision: Revision?) async throws(EtcdError) {
        guard case .resync = options.onCompaction, !range.isEmpty, revision ?? 0 >= 0 else {
            let watcher = await client.core.watchHub.start(watchedRange, from: revision, options: options)
            return state.withLock { $0.watcher = watcher }
        }
        let (known, seed) = try await knownKeys(before: revision ?? 0)
        state.withLock { state in
            state.known = known
            state.firstRevision = revision ?? 0
        }
        await watch(from: seed.next)
    }

    func stop() {
        let watcher = state.withLock { state in
            state.isStopped = true
            return state.watcher
        }
        guard let watcher else { return }
        EventLoop.execute { [client] in client.core.watchHub.stop(watcher) }
    }

    /// All that has come since the last call, waiting for something if there is nothing.
    func next() async throws(EtcdError) -> [Watcher.Chunk] {
        guard let watcher else { throw EtcdError(.cancelled, "the watch has not begun") }
        switch await watcher.next() {
        case .success(let answer):
            let chunks = try client.scope.map { scope throws(EtcdError) in try answer.leaving(scope) } ?? answer
            return state.withLock { state in
                if state.known == nil { return chunks }
                return chunks.compactMap { chunk in
                    guard case .events(let events) = chunk else { return chunk }
                    state.known?.note(events)
                    let wanted = events.filter { isWanted($0, from: state.firstRevision) }
                    return wanted.isEmpty ? nil : .events(wanted)
                }
            }
        case .failure(let error):
            guard error.code == .compacted, let known = state.withLock({ $0.known }) else { throw error }
            return [try await client.persist { () throws(EtcdError) in try await self.resync(known) }]
        }
    }

    // MARK: Compaction

    private func isWanted(_ event: WatchEvent, from revision: Revision) -> Bool {
        event.revision >= revision && !(event.kind == .put ? options.ignoresPuts : options.ignoresDeletes)
    }

    /// Watches all changes, also those that the consumer does not want, since they tell what there is.
    private func watch(from revision: Revision) async {
        var options = options
        options.ignoresPuts = false
        options.ignoresDeletes = false
        let watcher = await client.core.watchHub.start(watchedRange, from: revision, options: options)
        let isStopped = state.withLock { state in
            state.watcher = watcher
            return state.isStopped
        }
        if isStopped { stop() }
    }

    /// The keys that existed before `revision`, or that exist now if it is 0 or later than now, and at which revision.
    private func knownKeys(before revision: Revision) async throws(EtcdError) -> (KnownKeys, at: Revision) {
        if revision == 1 { return (KnownKeys(), 0) }
        while true {
            let newest = try await newestRevision()
            let seed = revision == 0 ? newest : min(revision.previous, newest)
            do throws(EtcdError) {
                var known = KnownKeys()
                try await read(keysOnly: true, at: seed) { known.note($0.key, at: $0.modRevision) }
                return (known, seed)
            } catch {
                guard error.code == .compacted else { throw error }
                if revision != 0 && seed == revision.previous {
                    let text = "revision \(seed), which the watch was to begin after, was compacted"
                    throw EtcdError(.compacted, text, compactRevision: error.compactRevision)
                }
            }
        }
    }

    /// Finds the difference between what is known and what there is, and watches on from there.
    private func resync(_ known: KnownKeys) async throws(EtcdError) -> Watcher.Chunk {
        while true {
            let revision = try await newestRevision()
            var present = KnownKeys()
            var events: [WatchEvent] = []
            do throws(EtcdError) {
                try await read(keysOnly: options.ignoresPuts, at: revision) { entry in
                    present.note(entry.key, at: entry.modRevision)
                    if !known.contains(entry) { events.append(WatchEvent(putOf: entry)) }
                }
            } catch {
                // It was compacted meanwhile.
                if error.code == .compacted { continue }
                throw error
            }
            events += known.deletions(comparedTo: present, at: revision)
            let first = state.withLock { state in
                state.known = present
                return state.firstRevision
            }
            await watch(from: revision.next)
            client.core.channel.context.report(.watchResynced(watchedRange, at: revision))
            return .resync(events.filter { isWanted($0, from: first) }, at: revision)
        }
    }

    private func newestRevision() async throws(EtcdError) -> Revision {
        var options = RangeOptions()
        options.countOnly = true
        return try await client.range(range, options: options).header.revision
    }

    private func read(
        keysOnly: Bool,
        at revision: Revision,
        _ body: (KeyValue) -> Void
    ) async throws(EtcdError) {
        var options = RangeOptions()
        options.keysOnly = keysOnly
        options.revision = revision
        var entries = client.entries(in: range, options: options).makeAsyncIterator()
        while let entry = try await entries.next() { body(entry) }
    }
}

extension [Watcher.Chunk] {
    /// The chunks with keys as they are called within a namespace.
    fileprivate func leaving(_ namespace: Namespace) throws(EtcdError) -> Self {
        var result = self
        for index in indices {
            guard case .events(var events) = self[index] else { continue }
            for position in events.indices { try events[position].leave(namespace) }
            result[index] = .events(events)
        }
        return result
    }
}
