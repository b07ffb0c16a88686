// SPDX-License-Identifier: Apache-2.0

/// Takes the items of a watch from its mailbox, and decodes the events one by one.
struct WatchReader {
    private let description: WatchDescription
    /// The watch, once it was started.
    private var subscription: WatchSubscription?
    // The items, in the order in which they are read.
    private var events = EncodedEvents()
    private var items: ArraySlice<WatchMailbox.Item> = []
    private var eventsAfterItems = EncodedEvents()
    /// The difference over a compaction, which comes when all items are read.
    private var difference: WatchBatch?
    /// Its events, when they are read one by one.
    private var differenceEvents: ArraySlice<WatchEvent> = []

    init(_ description: WatchDescription, running subscription: WatchSubscription?) {
        self.description = description
        self.subscription = subscription
    }

    /// The next event that has arrived.
    ///
    /// Inlined, its temporaries would be part of the frame that a waiting task keeps.
    @inline(never)
    mutating func popEvent() throws(EtcdError) -> WatchEvent? {
        while true {
            if let event = try popWanted() ?? differenceEvents.popFirst() { return event }
            switch popItem() {
            case .events(let encoded): events = encoded
            case .progress, .interruption: continue
            case nil:
                guard let difference = difference.take() else { return nil }
                differenceEvents = difference.events[...]
            }
        }
    }

    /// The next batch that has arrived.
    @inline(never)
    mutating func popBatch() throws(EtcdError) -> WatchBatch? {
        while true {
            if let first = try popWanted() {
                var batch = [first]
                // A revision never stretches over two items.
                while events.nextRevision == first.revision, let event = try decode() {
                    if isWanted(event) { batch.append(event) }
                }
                return WatchBatch(revision: first.revision, events: batch)
            }
            switch popItem() {
            case .events(let encoded): events = encoded
            case .progress(let revision): return WatchBatch(revision: revision, events: [])
            case .interruption(let revision): return WatchBatch(interruptionAt: revision)
            case nil: return difference.take()
            }
        }
    }

    private mutating func popWanted() throws(EtcdError) -> WatchEvent? {
        while let event = try decode() {
            if isWanted(event) { return event }
        }
        return nil
    }

    private func isWanted(_ event: WatchEvent) -> Bool { subscription?.resync?.note(event) ?? true }

    private mutating func decode() throws(EtcdError) -> WatchEvent? {
        guard var event = try events.popFirst() else { return nil }
        if let namespace = subscription?.description.client.scope { try event.leave(namespace) }
        return event
    }

    private mutating func popItem() -> WatchMailbox.Item? {
        if let item = items.popFirst() { return item }
        if eventsAfterItems.isEmpty { return nil }
        defer { eventsAfterItems = EncodedEvents() }
        return .events(eventsAfterItems)
    }

    /// Takes more items, once all are popped; waits if there are none, and may then return without any.
    mutating func fill() async throws(EtcdError) {
        guard let subscription else {
            subscription = try await start()
            return
        }
        do throws(EtcdError) {
            if let portion = try subscription.take() {
                items = portion.items[...]
                eventsAfterItems = portion.events
                return
            }
        } catch {
            difference = try await subscription.goOn(after: error)
            return
        }
        // Directly, since thousands of tasks may wait here.
        guard let mailbox = subscription.watcher?.mailbox else { return }
        await mailbox.change.wait { mailbox.isReady }
    }

    @inline(never)
    private func start() async throws(EtcdError) -> WatchSubscription {
        let subscription = WatchSubscription(description)
        try await description.client.retryingWhileUnavailable { () throws(EtcdError) in try await subscription.start() }
        return subscription
    }
}
