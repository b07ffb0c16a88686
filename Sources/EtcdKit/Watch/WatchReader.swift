// SPDX-License-Identifier: Apache-2.0

/// Where an iteration gets its watch from.
enum WatchSource: Sendable {
    /// Each iteration starts one.
    case cold(WatchDescription)
    /// It runs already.
    case running(WatchHandle)
}

/// The range to watch, and its consumer.
///
/// An object, so that sequences, iterators and handles share it.
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

/// Takes a watch's news, and decodes its events one by one.
struct WatchReader {
    private let source: WatchSource
    private var handle: WatchHandle?
    // The events, in the order in which they are to be read; of the first two, one is empty.
    private var events = EncodedEvents()
    private var decoded: ArraySlice<WatchEvent> = []
    private var chunks: ArraySlice<Watcher.Chunk> = []
    private var last = EncodedEvents()

    init(_ source: WatchSource) { self.source = source }

    /// The next event of those that are here.
    ///
    /// Inlined, its temporaries would be part of the frame that a waiting task keeps.
    @inline(never)
    mutating func popEvent() throws(EtcdError) -> WatchEvent? {
        if var event = try events.popFirst() {
            if let namespace = handle?.description.client.scope { try event.leave(namespace) }
            return event
        }
        if decoded.isEmpty, case .resync(let list, at: _)? = popOther() { decoded = list[...] }
        return decoded.popFirst()
    }

    /// The next batch of those that are here.
    @inline(never)
    mutating func popBatch() throws(EtcdError) -> WatchBatch? {
        if events.isEmpty && decoded.isEmpty {
            switch popOther() {
            case .progress(let revision): return WatchBatch(revision: revision, events: [])
            case .interruption(let revision):
                return WatchBatch(revision: revision, events: [], isInterruption: true)
            case .resync(let events, at: let revision):
                return WatchBatch(revision: revision, events: events, isResync: true)
            case .events, .decoded, nil: return nil
            }
        }
        guard let first = try popEvent() else { return nil }
        var batch = [first]
        // A revision never stretches over two chunks.
        while events.nextRevision ?? decoded.first?.revision == first.revision, let event = try popEvent() {
            batch.append(event)
        }
        return WatchBatch(revision: first.revision, events: batch)
    }

    /// The next chunk, if it is there and has no events that are popped one by one.
    private mutating func popOther() -> Watcher.Chunk? {
        switch chunks.first {
        case .progress, .resync, .interruption: chunks.removeFirst()
        case .events, .decoded, nil: nil
        }
    }

    /// Takes more, once all is popped, waiting for it if there is nothing.
    mutating func fill() async throws(EtcdError) {
        while true {
            switch chunks.first {
            case .events(let encoded):
                chunks.removeFirst()
                events = encoded
                return
            case .decoded(let list):
                chunks.removeFirst()
                decoded = list[...]
                return
            case .progress, .resync, .interruption:
                return
            case nil where !last.isEmpty:
                swap(&events, &last)
                return
            case nil:
                guard let handle else {
                    handle = try await start()
                    continue
                }
                if let portion = try handle.take() {
                    chunks = portion.chunks[...]
                    last = portion.events
                } else {
                    try await handle.wait()
                }
            }
        }
    }

    @inline(never)
    private func start() async throws(EtcdError) -> WatchHandle {
        switch source {
        case .running(let handle): return handle
        case .cold(let description):
            let handle = WatchHandle(description)
            try await description.client.persist { () throws(EtcdError) in try await handle.start() }
            return handle
        }
    }
}
