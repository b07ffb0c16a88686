// SPDX-License-Identifier: Apache-2.0

/// One gRPC stream that carries many watches, or one whose consumer is behind.
@EventLoop
final class WatchStream {
    /// Who the stream is for.
    enum Purpose: Equatable {
        case shared(WatchOptions.Lane)
        /// One watch: the server sends no more than its consumer takes.
        case single
    }

    let purpose: Purpose
    private var stream: GRPCStream<Wire.WatchRequest, Wire.WatchResponse>?
    private(set) var watchers: [Int64: Watcher] = [:]
    /// Watches that the server has not confirmed yet; it does so in this order.
    private var unconfirmed: [Int64] = []

    /// Opens a stream.
    ///
    /// `onResponse` gets each answer with its size in bytes and the watch it is for, or nil where it is for none or for
    /// all; `onEnd` gets the watches that were on the stream when it ended.
    init(
        _ purpose: Purpose,
        on link: Channel.Link,
        maximumMessageSize: Int,
        onResponse: @escaping @EventLoop (WatchStream, Wire.WatchResponse, Int, Watcher?) -> Void,
        onEnd: @escaping @EventLoop (WatchStream, [Watcher], EtcdError) -> Void
    ) throws(ConnectionError) {
        self.purpose = purpose
        stream = try GRPCStream(
            Wire.watch,
            metadata: GRPCMetadata(authority: link.endpoint.authority, requiresLeader: true),
            maximumMessageSize: maximumMessageSize,
            window: purpose == .single ? .manual : .automatic,
            on: link.connection
        ) { [weak self] event in
            guard let self else { return }
            switch event {
            case .message(let response, let byteCount):
                onResponse(self, response, byteCount, watcher(for: response))
            case .ended(let failure):
                let watchers = Array(watchers.values)
                self.watchers = [:]
                let error =
                    failure.map { EtcdError($0, isRead: true, endpoint: link.endpoint) }
                    ?? EtcdError(.unavailable, "the server ended the stream of watches")
                onEnd(self, watchers, error)
            }
        }
    }

    /// Asks the server for a watch.
    func create(_ watcher: Watcher, id: Int64) {
        watcher.watchID = id
        watchers[id] = watcher
        unconfirmed.append(id)
        var create = Wire.WatchCreateRequest()
        create.key = watcher.range.start
        create.rangeEnd = watcher.range.end
        create.startRevision = watcher.state.nextRevision.rawValue
        create.progressNotify = watcher.options.reportsProgress
        create.filters =
            (watcher.options.ignoresPuts ? [.noPut] : []) + (watcher.options.ignoresDeletes ? [.noDelete] : [])
        create.previous = watcher.options.includesPrevious
        create.watchID = id
        create.fragment = true
        stream?.send(Wire.WatchRequest(create: create))
    }

    /// Takes a watch off the stream and tells the server.
    func cancel(_ watcher: Watcher) {
        guard let id = remove(watcher) else { return }
        stream?.send(Wire.WatchRequest(cancel: Wire.WatchCancelRequest(watchID: id)))
    }

    /// Takes a watch that the server has ended off the stream.
    @discardableResult
    func remove(_ watcher: Watcher) -> Int64? {
        guard let id = watcher.watchID, watchers.removeValue(forKey: id) != nil else { return nil }
        unconfirmed.removeAll { $0 == id }
        watcher.watchID = nil
        return id
    }

    /// Lets the server send more on the stream of a single watch.
    func consume(_ byteCount: Int) {
        stream?.consume(byteCount)
    }

    func requestProgress() {
        stream?.send(Wire.WatchRequest(progress: Wire.EmptyRequest()))
    }

    func close() {
        stream?.cancel()
        stream = nil
    }

    private func watcher(for response: Wire.WatchResponse) -> Watcher? {
        var id = response.watchID
        if response.created {
            // A watch that the server refuses outright is answered with -1 instead of its number.
            if id == -1, let oldest = unconfirmed.first { id = oldest }
            unconfirmed.removeAll { $0 == id }
        }
        return watchers[id]
    }
}
