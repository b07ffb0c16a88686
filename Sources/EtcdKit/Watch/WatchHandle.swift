// SPDX-License-Identifier: Apache-2.0

/// A watch as its consumer holds it, which ends when nobody holds it any more.
///
/// Where the options say so, it bridges compactions: then it knows what its consumer has been told to exist, and starts
/// another watch after it has told the difference to what there is.
final class WatchHandle: Sendable {
    private struct State {
        var watcher: Watcher?
        /// The keys that the consumer knows, where the watch bridges compactions.
        var known = KnownKeys()
        /// The bridge over a compaction, for the consumer.
        var bridge: Watcher.Chunk?
        /// What came before was read only to know what there is.
        var firstRevision: Revision = 0
        var isStopped = false
    }

    let description: WatchDescription
    private let state = Lock(State())

    init(_ description: WatchDescription) { self.description = description }

    deinit { stop() }

    var watcher: Watcher? { state.withLock { $0.watcher } }

    private var client: EtcdClient { description.client }
    private var range: KeyRange { description.range }
    private var options: WatchOptions { description.options }
    private var bridgesCompactions: Bool { options.onCompaction == .resync }
    /// The range as etcd knows it, outside the client's namespace.
    private var watchedRange: KeyRange { range.entering(client.scope) }

    /// Starts the watch.
    @inline(never)
    func start() async throws(EtcdError) {
        let revision = description.revision
        guard bridgesCompactions, !range.isEmpty, revision ?? 0 >= 0 else {
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

    /// Starts the watch, and waits until the server has confirmed it.
    @inline(never)
    func begin() async throws(EtcdError) {
        try await start()
        try await watcher?.waitUntilCreated(deadline: .now + client.timeout)
    }

    func stop() {
        let watcher = state.withLock { state in
            state.isStopped = true
            return state.watcher
        }
        guard let watcher else { return }
        EventLoop.execute { [client] in client.core.watchHub.stop(watcher) }
    }

    /// Takes all that has come since the last call; nil if it is to be waited for.
    func take() throws(EtcdError) -> WatchMailbox.Portion? {
        if Task.isCancelled { throw EtcdError(.cancelled, "the task was cancelled") }
        let (watcher, bridge) = state.withLock { ($0.watcher, $0.bridge.take()) }
        guard let watcher else { throw EtcdError(.cancelled, "the watch has not begun") }
        if let bridge {
            var portion = WatchMailbox.Portion()
            portion.chunks = [bridge]
            return portion
        }
        do throws(EtcdError) {
            guard let portion = try watcher.take() else { return nil }
            return bridgesCompactions ? try note(portion) : portion
        } catch {
            if bridgesCompactions && error.code == .compacted { return nil }
            throw error
        }
    }

    /// Waits until there is something to take, or the task is cancelled; may come back early.
    func wait() async throws(EtcdError) {
        guard let mailbox = watcher?.mailbox else { return }
        if bridgesCompactions && mailbox.ending?.code == .compacted {
            try await bridge()
        } else {
            await mailbox.wait()
        }
    }

    // MARK: Compaction

    /// Takes note of what the consumer is told, and leaves out what it does not want.
    private func note(_ portion: WatchMailbox.Portion) throws(EtcdError) -> WatchMailbox.Portion {
        var noted = WatchMailbox.Portion()
        for chunk in portion.chunks + [.events(portion.events)] {
            guard case .events(var encoded) = chunk else {
                noted.chunks.append(chunk)
                continue
            }
            var events: [WatchEvent] = []
            while var event = try encoded.popFirst() {
                if let namespace = client.scope { try event.leave(namespace) }
                events.append(event)
            }
            let wanted = state.withLock { state in
                state.known.note(events)
                return events.filter { isWanted($0, from: state.firstRevision) }
            }
            if !wanted.isEmpty { noted.chunks.append(.decoded(wanted)) }
        }
        return noted
    }

    /// Goes on after a compaction.
    @inline(never)
    private func bridge() async throws(EtcdError) {
        let known = state.withLock { $0.known }
        let chunk = try await client.persist { () throws(EtcdError) in try await self.resync(known) }
        state.withLock { $0.bridge = chunk }
    }

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
