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
    /// Watches that shall be on a stream as soon as there is one.
    private var waiting: [Watcher] = []
    /// Watches that have failed just now, and wait for the end of the pause.
    private var resting: [Watcher] = []
    /// How many of them may have ended.
    private var finishedCount = 0
    /// Watches whose consumers are to be told of something.
    private var watchersWithNews: [Watcher] = []
    private var pause: EventLoop.Timer?
    private var ticket: Channel.Ticket?
    private var isBerthRequested = false
    /// Where a stream has just failed, so that the next is rather opened elsewhere.
    private var avoided: Endpoint?
    /// Where streams have ended whose watches are not yet seen to go on elsewhere.
    private var departures: Set<Endpoint> = []
    /// Streams that ended soon, on connections that stand, and without having carried more than confirmations, in a row.
    private var failures = 0
    /// A token that was granted for a watch which was denied nevertheless: for a while, a denial is not its fault.
    private var provenToken: (token: AuthToken?, until: ContinuousClock.Instant)?
    private var nextWatchID: Int64 = 1
    private var isolationCount = 0
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
        guard let stream = watcher.stream else { return forgetFinished() }
        stream.cancel(watcher)
        closeIfEmpty(stream)
    }

    /// Drops watches that have ended without a stream, when they are half of those that have none.
    private func forgetFinished() {
        finishedCount += 1
        guard finishedCount * 2 >= waiting.count + resting.count else { return }
        finishedCount = 0
        waiting.removeAll(where: \.isFinished)
        resting.removeAll(where: \.isFinished)
    }

    /// Wakes the consumer of a watch once all is looked at that has arrived with its news.
    func announceNews(of watcher: Watcher) {
        if watchersWithNews.isEmpty {
            EventLoop.atEndOfTurn { [self] in
                for watcher in watchersWithNews { watcher.wakeConsumer() }
                watchersWithNews.removeAll(keepingCapacity: true)
            }
        }
        watchersWithNews.append(watcher)
    }

    /// Asks the server on each stream how far its watches are.
    func requestProgress() {
        for stream in streams { stream.requestProgress() }
    }

    func close() {
        isClosed = true
        if let ticket { channel.forget(ticket) }
        if let pause { EventLoop.cancel(pause) }
        let watchers = waiting + resting + streams.flatMap { $0.close() }
        streams = []
        waiting = []
        resting = []
        for watcher in watchers { watcher.end(EtcdError(.clientClosed, "the client was closed")) }
    }

    /// Why a watch could not begin in time.
    var unavailability: EtcdError {
        channel.links.isEmpty
            ? channel.unavailability : EtcdError(.deadlineExceeded, "the server has not confirmed the watch in time")
    }

    // MARK: Places on streams

    /// Puts a watch on a stream as soon as there is one.
    private func attach(_ watcher: Watcher) {
        guard !watcher.isFinished else { return }
        if isClosed { return watcher.end(EtcdError(.clientClosed, "the client was closed")) }
        watcher.attempt = .now
        waiting.append(watcher)
        attachWaiting()
    }

    private func attachWaiting() {
        guard !isClosed, !isBerthRequested else { return }
        waiting.removeAll { watcher in
            guard !watcher.isFinished else { return true }
            guard let stream = place(for: watcher) else { return false }
            create(watcher, on: stream)
            return true
        }
        guard !waiting.isEmpty else { return }
        isBerthRequested = true
        ticket = channel.whenReadyForStream(avoiding: avoided) { [weak self] in self?.received($0) }
    }

    private func received(_ result: Result<Channel.Berth, EtcdError>) {
        isBerthRequested = false
        ticket = nil
        waiting.removeAll(where: \.isFinished)
        guard !isClosed, let watcher = waiting.first else { return }
        do {
            let stream = try WatchStream(purpose(of: watcher), at: result.get(), channel.context, hub: self)
            avoided = nil
            streams.append(stream)
            waiting.removeFirst()
            create(watcher, on: stream)
            // Not at once: with many streams to open it would be a deep recursion.
            EventLoop.execute { [weak self] in self?.attachWaiting() }
        } catch let error as EtcdError where !error.code.mayPass {
            // The user is refused.
            let watchers = waiting
            waiting = []
            for watcher in watchers { watcher.end(error) }
        } catch {
            resting += waiting
            waiting = []
            retryLater()
        }
    }

    private func purpose(of watcher: Watcher) -> WatchStream.Purpose {
        watcher.hasOwnStream ? .single : .shared(watcher.options.lane, isolation: watcher.isolation)
    }

    /// The stream that the watch is to be created on; nil if that is to be opened.
    ///
    /// etcd checks the token of the stream, so it must be the one that is good now.
    private func place(for watcher: Watcher) -> WatchStream? {
        if watcher.hasOwnStream { return nil }
        let purpose = purpose(of: watcher)
        guard let token = channel.context.tokens.probableToken else { return nil }
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
            channel.context.report(.failedOver(from: old, to: stream.endpoint))
        }
        stream.create(watcher, id: nextWatchID)
        nextWatchID += 1
    }

    // MARK: Answers

    func received(
        _ answer: WatchAnswer,
        byteCount: Int,
        for watcher: Watcher?,
        on stream: WatchStream
    ) {
        if !answer.created && !answer.canceled { failures = 0 }
        guard let watcher else {
            // Progress of the whole stream, which only those hear of that asked for it. It does not move a watch:
            // before 3.4.25 and 3.5.8, etcd may send it ahead of the events it covers.
            if answer.watchID == -1, !answer.created, !answer.canceled, stream.takeProgressRequest() {
                for watcher in stream.watchers.values where watcher.options.reportsProgress {
                    watcher.offer(.progress(answer.revision), byteCount: 0)
                }
            }
            return stream.consume(byteCount)
        }
        switch watcher.state.receive(answer) {
        case .none:
            // Part of a revision that may be larger than the window: that must not wait for its end, but for what is unread.
            if !watcher.withhold(byteCount) { stream.consume(byteCount) }
        case .created:
            let revision = watcher.state.nextRevision
            let isResumed = watcher.confirmed()
            if isResumed { channel.context.report(.watchResumed(watcher.range, from: revision, stream.endpoint)) }
            if watcher.options.reportsInterruptions {
                // What the watch is to go on from was read before it was started.
                let isDoubtful = stream.connectionOpened > watcher.started || answer.revision.next < revision
                if isResumed || isDoubtful { watcher.offer(.interruption(answer.revision), byteCount: 0) }
            }
            stream.consume(byteCount)
        case .deliverAll:
            let isBehind = watcher.offer(byteCount: byteCount) { $0.append(answer.events) }
            if isBehind && !watcher.hasOwnStream { moveToOwnStream(watcher, from: stream) }
        case .deliver(let events):
            let isBehind = watcher.offer(byteCount: byteCount) { $0.append(events) }
            if isBehind && !watcher.hasOwnStream { moveToOwnStream(watcher, from: stream) }
        case .progress(let revision):
            watcher.offer(.progress(revision), byteCount: byteCount)
        case .resume:
            stream.remove(watcher)
            watcher.interrupted()
            resting.append(watcher)
            closeIfEmpty(stream)
            retryLater()
        case .end(let code, let message, let compactRevision):
            stream.remove(watcher)
            refused(watcher, EtcdError(code, message, compactRevision: compactRevision), by: stream)
            closeIfEmpty(stream)
            attachWaiting()
        }
    }

    /// The server does not want the watch: the token may be at fault, or the watch has come to its end.
    private func refused(_ watcher: Watcher, _ error: EtcdError, by stream: WatchStream) {
        let tokens = channel.context.tokens
        let verdict = watcher.admission.refused(
            error.code,
            attempt: watcher.attempt,
            granted: stream.tokenGranted,
            canRenew: tokens.canRenew
        )
        let isDenied = error.code == .permissionDenied
        let isProven = provenToken.map { $0.token == stream.token && .now < $0.until } ?? false
        switch verdict {
        case .renewToken where !(isDenied && isProven):
            tokens.reject(stream.token)
            watcher.interrupted()
            waiting.append(watcher)
        case .retry:
            watcher.interrupted()
            resting.append(watcher)
            retryLater()
        case .renewToken, .refuse:
            if isDenied && !isProven { provenToken = (stream.token, .now + .seconds(60)) }
            watcher.end(error)
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

    // MARK: Ends of streams

    func ended(_ stream: WatchStream, with watchers: [Watcher], _ error: EtcdError) {
        streams.removeAll { $0 === stream }
        guard !isClosed else { return }
        guard error.code.mayPass else {
            for watcher in watchers { refused(watcher, error, by: stream) }
            return attachWaiting()
        }
        if error.code.castsSuspicion { channel.suspect(stream.endpoint, error) }
        // How often to connect is for the endpoint to say.
        if stream.isCutOff || stream.opened + channel.configuration.backoff.maximum < .now { failures = 0 }
        if error.code == .responseTooLarge {
            if stream.hadOneWatch { return watchers.forEach { $0.end(error) } }
            isolate(watchers)
        } else {
            leave(stream, with: watchers)
        }
        retryLater()
    }

    /// Puts the watches of a stream, one of which has got too large an answer, on two streams: so that one is alone in the
    /// end.
    private func isolate(_ watchers: [Watcher]) {
        let half = (watchers.count + 1) / 2
        for part in [watchers.prefix(half), watchers.dropFirst(half)] {
            isolationCount += 1
            for watcher in part {
                watcher.interrupted()
                watcher.isolation = isolationCount
            }
        }
        resting += watchers
    }

    /// A stream is given up, since nothing has come on it for long, not even an answer.
    func fellSilent(_ stream: WatchStream, with watchers: [Watcher]) {
        streams.removeAll { $0 === stream }
        leave(stream, with: watchers)
        retryLater()
        let reason = "a stream of watches is silent [\(stream.endpoint)]"
        channel.suspect(stream.endpoint, EtcdError(.unavailable, reason))
    }

    private func leave(_ stream: WatchStream, with watchers: [Watcher]) {
        if watchers.isEmpty { return }
        avoided = stream.endpoint
        departures.insert(stream.endpoint)
        for other in streams where other.endpoint == stream.endpoint { other.isAvoided = true }
        for watcher in watchers { watcher.interrupted() }
        resting += watchers
    }

    /// Lets the resting watches go on after a pause: none at first, then longer and longer while they fail.
    private func retryLater() {
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

    private func closeIfEmpty(_ stream: WatchStream) {
        guard stream.watchers.isEmpty else { return }
        streams.removeAll { $0 === stream }
        stream.close()
    }
}

extension EtcdError.Code {
    /// A stream that has ended so says nothing of what was asked on it, and can be opened again: etcd or a proxy was in
    /// trouble, or has answered something that is not known here.
    fileprivate var mayPass: Bool {
        isTransient || castsSuspicion
            || [.server, .protocolViolation, .responseTooLarge, .cancelled, .ambiguous].contains(self)
    }
}
