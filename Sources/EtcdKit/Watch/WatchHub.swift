// SPDX-License-Identifier: Apache-2.0

/// The watches of a client: spreads them over a few shared streams, and takes them up again when a stream breaks.
@EventLoop
final class WatchHub {
    /// A stream is shared by this many watches before there is another.
    private static let watchesPerStream = 128
    /// There are never more streams than this for watches of any volume.
    private static let maximumBulkStreams = 4

    private let channel: Channel
    private var streams: [WatchStream] = []
    /// Watches that are on no stream, but shall be.
    private var waiting: [Watcher] = []
    private var ticket: Channel.Ticket?
    private var pause: EventLoop.Timer?
    /// Streams that broke without having carried an answer, in a row.
    private var failures = 0
    private var nextWatchID: Int64 = 1
    private var isClosed = false

    nonisolated init(_ channel: Channel) {
        self.channel = channel
    }

    // MARK: Watches

    func start(_ range: KeyRange, from revision: Revision?, options: WatchOptions) -> Watcher {
        let watcher = Watcher(range, from: revision, options: options, hub: self)
        if isClosed {
            watcher.end(EtcdError(.clientClosed, "the client is closed"))
        } else if range.isEmpty {
            watcher.end(EtcdError(.invalidArgument, "the range to watch is empty"))
        } else if let revision, revision < 0 {
            watcher.end(EtcdError(.invalidArgument, "revision \(revision) is negative"))
        } else {
            attach(watcher)
        }
        return watcher
    }

    func stop(_ watcher: Watcher) {
        watcher.end(EtcdError(.cancelled, "the watch was cancelled"))
        waiting.removeAll { $0 === watcher }
        takeOffStream(watcher)
    }

    /// The consumer of a watch has taken what came in `byteCount` bytes.
    func consumed(_ byteCount: Int, by watcher: Watcher) {
        guard byteCount > 0, let id = watcher.watchID else { return }
        streams.first { $0.watchers[id] === watcher }?.consume(byteCount)
    }

    /// Puts a watch on a stream as soon as there is a connection.
    private func attach(_ watcher: Watcher) {
        guard !watcher.isFinished else { return }
        if isClosed { return watcher.end(EtcdError(.clientClosed, "the client was closed")) }
        waiting.append(watcher)
        attachWaiting()
    }

    /// Asks the server on each stream how far its watches are.
    func requestProgress() {
        for stream in streams { stream.requestProgress() }
    }

    func close() {
        isClosed = true
        if let ticket { channel.forget(ticket) }
        if let pause { EventLoop.cancel(pause) }
        let watchers = waiting + streams.flatMap(\.watchers.values)
        for stream in streams { stream.close() }
        streams = []
        waiting = []
        for watcher in watchers { watcher.end(EtcdError(.clientClosed, "the client was closed")) }
    }

    /// Why a watch could not begin in time.
    var unavailability: EtcdError {
        channel.links.isEmpty
            ? channel.unavailability : EtcdError(.deadlineExceeded, "the server has not confirmed the watch in time")
    }

    // MARK: Streams

    private func attachWaiting() {
        guard !waiting.isEmpty, ticket == nil, pause == nil else { return }
        ticket = channel.whenReady { [weak self] result in
            guard let self else { return }
            ticket = nil
            // A failure means that the client is closing, which ends the watches too.
            if case .success(let link) = result { attachWaiting(on: link) }
        }
    }

    private func attachWaiting(on link: Channel.Link) {
        let watchers = waiting
        waiting = []
        for (index, watcher) in watchers.enumerated() where !watcher.isFinished {
            do {
                try stream(for: watcher, on: link).create(watcher, id: nextWatchID)
                nextWatchID += 1
            } catch {
                waiting += watchers[index...]
                return retryLater()
            }
        }
    }

    private func stream(for watcher: Watcher, on link: Channel.Link) throws(ConnectionError) -> WatchStream {
        let purpose = watcher.hasOwnStream ? WatchStream.Purpose.single : .shared(watcher.options.lane)
        let present = purpose == .single ? [] : streams.filter { $0.purpose == purpose }
        let limit = watcher.options.lane == .bulk ? Self.maximumBulkStreams : 1
        let emptiest = present.min { $0.watchers.count < $1.watchers.count }
        if let emptiest, emptiest.watchers.count < Self.watchesPerStream || present.count >= limit { return emptiest }
        let stream = try WatchStream(
            purpose,
            on: link,
            maximumMessageSize: channel.configuration.maximumMessageSize,
            onResponse: { [weak self] in self?.received($1, byteCount: $2, for: $3, on: $0) },
            onEnd: { [weak self] in self?.ended($0, with: $1, $2) }
        )
        streams.append(stream)
        return stream
    }

    private func received(
        _ response: Wire.WatchResponse,
        byteCount: Int,
        for watcher: Watcher?,
        on stream: WatchStream
    ) {
        failures = 0
        guard let watcher else {
            // Progress of the whole stream, which only those hear of that asked for it. It does not move a watch:
            // before 3.4.25 and 3.5.8, etcd may send it ahead of the events it covers.
            if response.watchID == -1, !response.created, !response.canceled {
                for watcher in stream.watchers.values where watcher.options.reportsProgress {
                    watcher.offer(.progress(response.header.revision), byteCount: 0)
                }
            }
            return stream.consume(byteCount)
        }
        switch watcher.state.receive(response) {
        case .none:
            // Part of a revision that may be larger than the window, so the window must not wait for its end.
            stream.consume(byteCount)
        case .created:
            watcher.confirmed()
            stream.consume(byteCount)
        case .deliver(let events):
            watcher.offer(.events(events), byteCount: byteCount)
            if watcher.isBehind && !watcher.hasOwnStream { moveToOwnStream(watcher, from: stream) }
        case .progress(let revision):
            watcher.offer(.progress(revision), byteCount: byteCount)
        case .resume:
            stream.remove(watcher)
            watcher.disconnected()
            waiting.append(watcher)
            closeIfEmpty(stream)
            retryLater()
        case .end(let code, let message, let compactRevision):
            watcher.end(EtcdError(code, message, compactRevision: compactRevision))
            stream.remove(watcher)
            closeIfEmpty(stream)
        }
    }

    /// Takes a watch up again on a stream of its own, so that its slow consumer holds up the server and nobody else.
    private func moveToOwnStream(_ watcher: Watcher, from stream: WatchStream) {
        stream.cancel(watcher)
        closeIfEmpty(stream)
        watcher.disconnected()
        watcher.hasOwnStream = true
        attach(watcher)
    }

    private func ended(_ stream: WatchStream, with watchers: [Watcher], _ error: EtcdError) {
        streams.removeAll { $0 === stream }
        for watcher in watchers {
            watcher.disconnected()
            if error.code.isTransient || error.code == .protocolViolation {
                waiting.append(watcher)
            } else {
                watcher.end(error)
            }
        }
        retryLater()
    }

    /// Opens streams for the waiting watches after a pause that grows while they fail.
    private func retryLater() {
        guard !isClosed, !waiting.isEmpty, pause == nil else { return }
        let delay = channel.configuration.backoff.delay(afterFailures: failures, chance: .random(in: 0...1))
        failures += 1
        pause = EventLoop.schedule(at: .now + delay) { [weak self] in
            guard let self else { return }
            pause = nil
            attachWaiting()
        }
    }

    private func takeOffStream(_ watcher: Watcher) {
        guard let id = watcher.watchID, let stream = streams.first(where: { $0.watchers[id] === watcher }) else {
            return
        }
        stream.cancel(watcher)
        closeIfEmpty(stream)
    }

    private func closeIfEmpty(_ stream: WatchStream) {
        guard stream.watchers.isEmpty else { return }
        streams.removeAll { $0 === stream }
        stream.close()
    }
}
