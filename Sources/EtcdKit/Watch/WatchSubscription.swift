// SPDX-License-Identifier: Apache-2.0

/// The range to watch, and the client that watches it.
///
/// An object, so that sequences, iterators and subscriptions share it.
final class WatchDescription: Sendable {
    let client: EtcdClient
    let range: KeyRange
    /// The first revision of interest; nil for changes from now on.
    let revision: Revision?
    let options: WatchOptions

    init(_ client: EtcdClient, _ range: KeyRange, from revision: Revision?, _ options: WatchOptions) {
        self.client = client
        self.range = range
        self.revision = revision
        self.options = options
    }
}

/// The consumer's reference to a watch; the watch ends with the last reference.
final class WatchSubscription: Sendable {
    let description: WatchDescription
    /// Handles compactions, if the options ask for it.
    let resync: WatchResync?
    private let state = Lock<(watcher: Watcher?, isStopped: Bool)>((nil, false))

    init(_ description: WatchDescription) {
        self.description = description
        resync = WatchResync(description)
    }

    deinit { stop() }

    var watcher: Watcher? { state.withLock { $0.watcher } }

    private var client: EtcdClient { description.client }

    /// Starts the watch.
    @inline(never)
    func start() async throws(EtcdError) {
        if let resync {
            await watch(from: try await resync.start())
        } else {
            await watch(from: description.revision)
        }
    }

    /// Starts the watch, and waits until the server has confirmed it.
    @inline(never)
    func begin() async throws(EtcdError) {
        try await start()
        guard let watcher else { return }
        try await client.core.watchHub.waitUntilConfirmed(watcher, deadline: .now + client.timeout)
    }

    func stop() {
        let watcher = state.withLock { state in
            state.isStopped = true
            return state.watcher
        }
        guard let watcher else { return }
        EventLoop.execute { [client] in client.core.watchHub.stop(watcher) }
    }

    private func watch(from revision: Revision?) async {
        var options = description.options
        if resync != nil {
            // The resync must know all changes, also those that the consumer does not want.
            options.ignoresPuts = false
            options.ignoresDeletes = false
        }
        // The range as etcd knows it, outside the client's namespace.
        let range = description.range.entering(client.scope)
        let watcher = await client.core.watchHub.start(range, from: revision, options: options)
        let isStopped = state.withLock { state in
            state.watcher = watcher
            return state.isStopped
        }
        if isStopped { stop() }
    }

    /// Takes everything that has arrived since the last call; nil if there is nothing.
    func take() throws(EtcdError) -> WatchMailbox.Portion? {
        if Task.isCancelled { throw EtcdError.cancelledTask }
        guard let watcher else { throw EtcdError(.cancelled, "the watch has not begun") }
        return try watcher.mailbox.take { credit in EventLoop.execute { watcher.consumed(credit) } }
    }

    /// Continues after a compaction, if the options ask for it.
    ///
    /// - Returns: The difference that the compaction hides.
    /// - Throws: `error`, if the watch has ended for another reason.
    @inline(never)
    func goOn(after error: EtcdError) async throws(EtcdError) -> WatchBatch {
        guard let resync, error.code == .compacted else { throw error }
        let difference = try await client.retryingWhileUnavailable { () throws(EtcdError) in
            try await resync.difference()
        }
        await watch(from: difference.revision.next)
        let range = description.range.entering(client.scope)
        client.core.channel.report(.watchResynced(range, at: difference.revision))
        return difference
    }
}
