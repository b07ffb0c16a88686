// SPDX-License-Identifier: Apache-2.0

/// The watches of a client: starts and stops them, and handles the server's responses.
@EventLoop
final class WatchHub {
    /// How many messages of the largest size the events of one revision may take up.
    ///
    /// With etcd's limits, the 128 operations of a transaction have up to 1.5 MiB, and with previous entries 192 MiB
    /// more; that is within eight messages of 64 MiB. A deletion of a range has no limit.
    private static let messagesPerRevision = 8

    private let channel: Channel
    private lazy var placement = WatchPlacement(channel) { [weak self] stream, event in self?.take(event, of: stream) }
    /// A token with which a watch was denied although it was new: for a while, its denials are believed at once.
    private var provenToken: (token: AuthToken?, until: ContinuousClock.Instant)?
    private var isClosed = false

    nonisolated init(_ channel: Channel) {
        self.channel = channel
    }

    // MARK: Watches

    func start(_ range: KeyRange, from revision: Revision?, options: WatchOptions) -> Watcher {
        let limit = channel.configuration.maximumMessageSize * Self.messagesPerRevision
        let watcher = Watcher(range, from: revision, options: options, limit: limit)
        if isClosed {
            watcher.end(EtcdError(.clientClosed, "the client is closed"))
        } else if range.isEmpty {
            watcher.end(EtcdError(.invalidArgument, "the range to watch is empty"))
        } else if let revision, revision < 0 {
            watcher.end(EtcdError(.invalidArgument, "revision \(revision) is negative"))
        } else {
            placement.attach(watcher)
        }
        return watcher
    }

    func stop(_ watcher: Watcher, _ error: EtcdError = EtcdError(.cancelled, "the watch was cancelled")) {
        watcher.end(error)
        placement.cancel(watcher)
    }

    /// Waits until the server has confirmed a watch.
    nonisolated func waitUntilConfirmed(_ watcher: Watcher, deadline: ContinuousClock.Instant) async throws(EtcdError) {
        try await Completion.run(until: deadline) { [channel] interruption in
            if interruption == .cancellation { return EtcdError.cancelledTask }
            if channel.links.isEmpty { return channel.unavailability() }
            return EtcdError(.deadlineExceeded, "the server has not confirmed the watch of \(watcher.range) in time")
        } _: { completion in
            watcher.whenConfirmed(completion)
        }
    }

    /// Requests the progress of each stream's watches.
    func requestProgress() {
        for stream in placement.streams { stream.requestProgress() }
    }

    func close() {
        isClosed = true
        for watcher in placement.close() { watcher.end(EtcdError(.clientClosed, "the client was closed")) }
    }

    // MARK: Events of streams

    private func take(_ event: WatchStream.Event, of stream: WatchStream) {
        switch event {
        case .received(let answer, let byteCount, let watcher):
            if !answer.created && !answer.canceled { placement.carriedMore() }
            if let watcher {
                received(answer, byteCount, for: watcher, on: stream)
            } else {
                received(answer, byteCount, on: stream)
            }
        case .ended(let watchers, let error) where error.code.mayPass:
            placement.lost(stream, with: watchers, error)
        case .ended(let watchers, let error):
            placement.remove(stream)
            for watcher in watchers { refused(watcher, error, by: stream) }
            placement.attachWaiting()
        case .fellSilent(let watchers):
            placement.lostSilently(stream, with: watchers)
        }
    }

    /// Takes an answer that is for no watch.
    private func received(_ answer: WatchAnswer, _ byteCount: Int, on stream: WatchStream) {
        // The progress of the whole stream goes only to watches whose user asked for it. It does not move a watch: before
        // 3.4.25 and 3.5.8, etcd may send it ahead of the events that it covers.
        if answer.watchID == -1, !answer.created, !answer.canceled {
            for watcher in stream.takeProgressAnswer() where watcher.options.reportsProgress {
                watcher.offer(.progress(answer.revision), byteCount: 0)
            }
        }
        stream.consume(byteCount)
    }

    private func received(_ answer: WatchAnswer, _ byteCount: Int, for watcher: Watcher, on stream: WatchStream) {
        switch watcher.state.receive(answer) {
        case .none:
            // A part of a revision that may be larger than the window: the server must not wait for the end of the
            // revision, but it waits for what is unread.
            if !watcher.withhold(byteCount) { stream.consume(byteCount) }
        case .created:
            confirmed(watcher, at: answer.revision, by: stream)
            stream.consume(byteCount)
        case .deliverAll:
            deliver(to: watcher, byteCount, on: stream) { $0.append(answer.events) }
        case .deliver(let events):
            deliver(to: watcher, byteCount, on: stream) { $0.append(events) }
        case .progress(let revision):
            watcher.offer(.progress(revision), byteCount: byteCount)
        case .tooLarge:
            let reason = "the changes of one revision are over \(Self.messagesPerRevision) times maximumMessageSize"
            stop(watcher, EtcdError(.responseTooLarge, "\(reason): the watch of \(watcher.range)"))
        case .resume:
            stream.remove(watcher)
            watcher.interrupted()
            placement.closeIfEmpty(stream)
            placement.retry([watcher])
        case .end(let code, let message, let compactRevision):
            stream.remove(watcher)
            refused(watcher, EtcdError(code, message, compactRevision: compactRevision), by: stream)
            placement.closeIfEmpty(stream)
            placement.attachWaiting()
        }
    }

    private func confirmed(_ watcher: Watcher, at storeRevision: Revision, by stream: WatchStream) {
        let revision = watcher.state.nextRevision
        let isResumed = watcher.confirmed()
        if isResumed { channel.report(.watchResumed(watcher.range, from: revision, stream.endpoint)) }
        guard watcher.options.reportsInterruptions else { return }
        // The consumer read the revision to resume from before the watch was started.
        let isDoubtful = stream.connectionOpened > watcher.started || storeRevision.next < revision
        if isResumed || isDoubtful { watcher.offer(.interruption(storeRevision), byteCount: 0) }
    }

    private func deliver(
        to watcher: Watcher,
        _ byteCount: Int,
        on stream: WatchStream,
        _ append: (inout EncodedEvents) -> Void
    ) {
        let isBehind = watcher.offer(byteCount: byteCount, append)
        if isBehind && !watcher.hasOwnStream { placement.moveToOwnStream(watcher) }
    }

    /// The server has refused the watch: either the token is the reason, or the watch ends.
    private func refused(_ watcher: Watcher, _ error: EtcdError, by stream: WatchStream) {
        let tokens = channel.tokens
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
            placement.enqueue(watcher)
        case .retry:
            watcher.interrupted()
            placement.retry([watcher])
        case .renewToken, .refuse:
            if isDenied && !isProven { provenToken = (stream.token, .now + .seconds(60)) }
            watcher.end(error.about("the watch of \(watcher.range)"))
        }
    }
}

extension EtcdError.Code {
    /// A stream that ends with this code says nothing about its watches, and can be opened again: etcd or a proxy had a
    /// problem, or sent an unknown response.
    var mayPass: Bool {
        isTransient || castsSuspicion
            || [.server, .protocolViolation, .responseTooLarge, .cancelled, .ambiguous].contains(self)
    }
}
