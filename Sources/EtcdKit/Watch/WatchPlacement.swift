// SPDX-License-Identifier: Apache-2.0

/// Spreads the watches of a client over a few shared streams, and places them anew when a stream breaks.
@EventLoop
final class WatchPlacement {
    /// A stream is shared by this many watches before there is another.
    private static let watchesPerStream = 128
    /// There are never more streams than this for watches of any volume.
    private static let maximumBulkStreams = 4

    private let channel: Channel
    private let onEvent: WatchStream.Handler
    private(set) var streams: [WatchStream] = []
    /// Watches that shall be on a stream as soon as there is one.
    private var waiting: [Watcher] = []
    /// Watches that have failed just now, and wait for the end of the pause.
    private var resting: [Watcher] = []
    /// How many of them may have ended.
    private var finishedCount = 0
    private var pause: EventLoop.Timer?
    private var waiter: Channel.Waiter?
    private var isRouteRequested = false
    /// The endpoint where a stream has just failed: the next stream is opened elsewhere if possible.
    private var avoided: Endpoint?
    /// The endpoints of ended streams whose watches have not resumed elsewhere yet.
    private var departures: Set<Endpoint> = []
    /// How many streams in a row ended soon on a working connection, and carried nothing but confirmations.
    private var failures = 0
    private var nextWatchID: Int64 = 1
    private var isolationCount = 0
    private var isClosed = false

    /// Makes a placement whose streams tell `onEvent` what happens on them.
    init(_ channel: Channel, _ onEvent: @escaping WatchStream.Handler) {
        self.channel = channel
        self.onEvent = onEvent
    }

    // MARK: Watches

    /// Puts a watch on a stream as soon as there is one.
    func attach(_ watcher: Watcher) {
        watcher.attempt = .now
        enqueue(watcher)
        attachWaiting()
    }

    /// Has a watch wait for the next ``attachWaiting()``.
    func enqueue(_ watcher: Watcher) { waiting.append(watcher) }

    /// Places watches again after a pause: none at first, then longer and longer while they fail.
    func retry(_ watchers: [Watcher]) {
        resting += watchers
        guard !isClosed, !resting.isEmpty, pause == nil else { return }
        let delay = channel.configuration.backoff.delay(afterFailures: failures)
        failures += 1
        pause = EventLoop.schedule(at: .now + delay) { [weak self] in
            guard let self else { return }
            pause = nil
            for watcher in resting where !watcher.isFinished { watcher.attempt = .now }
            waiting += resting
            resting = []
            attachWaiting()
        }
    }

    /// Takes a watch that has ended from its stream, or from those that have none.
    func cancel(_ watcher: Watcher) {
        if let stream = watcher.stream {
            stream.cancel(watcher)
            return closeIfEmpty(stream)
        }
        finishedCount += 1
        // Not each time: it takes as long as there are watches.
        guard finishedCount * 2 >= waiting.count + resting.count else { return }
        finishedCount = 0
        waiting.removeAll(where: \.isFinished)
        resting.removeAll(where: \.isFinished)
    }

    /// Moves a watch to a stream of its own, so that its slow consumer delays no other watch.
    func moveToOwnStream(_ watcher: Watcher) {
        if let stream = watcher.stream {
            stream.cancel(watcher)
            closeIfEmpty(stream)
        }
        watcher.disconnected()
        watcher.hasOwnStream = true
        attach(watcher)
    }

    /// Ends all streams.
    ///
    /// - Returns: All watches.
    func close() -> [Watcher] {
        isClosed = true
        if let waiter { channel.forget(waiter) }
        if let pause { EventLoop.cancel(pause) }
        defer { (streams, waiting, resting) = ([], [], []) }
        return waiting + resting + streams.flatMap { $0.close() }
    }

    // MARK: Streams for watches

    /// Puts the watches that wait on streams, and opens one if there is none for them.
    func attachWaiting() {
        guard !isClosed, !isRouteRequested else { return }
        waiting.removeAll { watcher in
            guard !watcher.isFinished else { return true }
            guard let stream = stream(for: watcher) else { return false }
            create(watcher, on: stream)
            return true
        }
        guard !waiting.isEmpty else { return }
        isRouteRequested = true
        waiter = channel.whenReadyForStream(avoiding: avoided) { [weak self] in self?.received($0) }
    }

    private func received(_ result: Result<Channel.Route, EtcdError>) {
        isRouteRequested = false
        waiter = nil
        waiting.removeAll(where: \.isFinished)
        guard !isClosed, let watcher = waiting.first else { return }
        do {
            let stream = try WatchStream(purpose(of: watcher), at: result.get(), channel, onEvent)
            avoided = nil
            streams.append(stream)
            waiting.removeFirst()
            create(watcher, on: stream)
            // In a later job: with many streams to open, it would be a deep recursion.
            EventLoop.execute { [weak self] in self?.attachWaiting() }
        } catch {
            let watchers = waiting
            waiting = []
            if let error = error as? EtcdError, error.code == .authenticationFailed {
                // etcd refuses the user. Any other error may be one of a proxy, or of the credentials' provider.
                for watcher in watchers { watcher.end(error) }
            } else {
                retry(watchers)
            }
        }
    }

    private func purpose(of watcher: Watcher) -> WatchStream.Purpose {
        watcher.hasOwnStream ? .single : .shared(watcher.options.lane, isolation: watcher.isolation)
    }

    /// The stream that the watch is to be created on; nil if that is to be opened.
    ///
    /// etcd checks the token of the stream, so it must be the one that is good now.
    private func stream(for watcher: Watcher) -> WatchStream? {
        if watcher.hasOwnStream { return nil }
        let purpose = purpose(of: watcher)
        guard let token = channel.tokens.probableToken else { return nil }
        let present = streams.filter { $0.purpose == purpose && $0.token == token && !$0.isAvoided }
        let limit = purpose == .shared(.bulk, isolation: nil) ? Self.maximumBulkStreams : 1
        let emptiest = present.min { $0.watchers.count < $1.watchers.count }
        guard let emptiest, emptiest.watchers.count < Self.watchesPerStream || present.count >= limit else {
            return nil
        }
        return emptiest
    }

    private func create(_ watcher: Watcher, on stream: WatchStream) {
        if let old = watcher.endpoint, departures.remove(old) != nil, old != stream.endpoint {
            channel.report(.failedOver(from: old, to: stream.endpoint))
        }
        stream.create(watcher, id: nextWatchID)
        nextWatchID += 1
    }

    // MARK: Ends of streams

    /// A stream has carried more than confirmations.
    func carriedMore() { failures = 0 }

    func closeIfEmpty(_ stream: WatchStream) {
        guard stream.watchers.isEmpty else { return }
        remove(stream)
        stream.close()
    }

    func remove(_ stream: WatchStream) {
        streams.removeAll { $0 === stream }
    }

    /// Places the watches of a stream again that has ended for a temporary reason.
    func lost(_ stream: WatchStream, with watchers: [Watcher], _ error: EtcdError) {
        remove(stream)
        if error.code.castsSuspicion { channel.suspect(stream.endpoint, error) }
        // The endpoint decides how often to connect.
        if stream.isCutOff || stream.opened + channel.configuration.backoff.maximum < .now { failures = 0 }
        if error.code == .responseTooLarge {
            if stream.hadOneWatch { return watchers.forEach { $0.end(error) } }
            isolate(watchers)
        } else {
            leave(stream, with: watchers)
        }
        retry(watchers)
    }

    /// Places the watches of a stream again that was given up, because it was silent for too long.
    func lostSilently(_ stream: WatchStream, with watchers: [Watcher]) {
        remove(stream)
        leave(stream, with: watchers)
        retry(watchers)
        let reason = "a stream of watches is silent [\(stream.endpoint)]"
        channel.suspect(stream.endpoint, EtcdError(.unavailable, reason))
    }

    /// Splits a stream on which one of the watches got too large an answer: repeated, this isolates that watch.
    private func isolate(_ watchers: [Watcher]) {
        let half = (watchers.count + 1) / 2
        for part in [watchers.prefix(half), watchers.dropFirst(half)] {
            isolationCount += 1
            for watcher in part {
                watcher.interrupted()
                watcher.isolation = isolationCount
            }
        }
    }

    private func leave(_ stream: WatchStream, with watchers: [Watcher]) {
        if watchers.isEmpty { return }
        avoided = stream.endpoint
        departures.insert(stream.endpoint)
        for other in streams where other.endpoint == stream.endpoint { other.isAvoided = true }
        for watcher in watchers { watcher.interrupted() }
    }
}
