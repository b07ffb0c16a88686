// SPDX-License-Identifier: Apache-2.0

/// One gRPC stream that carries many watches, or one whose consumer is behind.
@EventLoop
final class WatchStream {
    /// The watches that the stream is for.
    enum Purpose: Equatable {
        case shared(WatchOptions.Lane, isolation: Int?)
        /// One watch: the server sends no more than its consumer takes.
        case single
    }

    enum Event {
        /// An answer of so many bytes, for a watch or for the stream; its events are valid during the call.
        case received(WatchAnswer, byteCount: Int, for: Watcher?)
        /// The stream has ended with these watches on it.
        case ended([Watcher], EtcdError)
        /// The stream was given up, because it was silent for too long.
        case fellSilent([Watcher])
    }

    typealias Handler = @EventLoop (WatchStream, Event) -> Void

    /// The least number of bytes by which the server may be ahead on the stream of one watch.
    private static let minimumWindow = 64 << 10
    /// How many unanswered progress requests are remembered; etcd leaves some without an answer for good.
    private static let maximumProgressRequests = 8

    let purpose: Purpose
    let endpoint: Endpoint
    let token: AuthToken?
    /// When the token was granted; nil if it was not asked for.
    let tokenGranted: ContinuousClock.Instant?
    let opened = ContinuousClock.now
    /// Another stream at the same endpoint has failed, and nothing has come on this one since.
    var isAvoided = false
    private(set) var watchers: [Int64: Watcher] = [:]
    private var createdCount = 0
    private var newestID: Int64 = 0
    private let onEvent: Handler
    private let connection: HTTP2Connection
    /// Holds this object until ``close()``.
    private var stream: GRPCStream?
    /// Watches that the server has not confirmed yet; it does so in this order.
    private var unconfirmed: ArraySlice<Int64> = []
    private var probe: WatchProbe
    private var timer: EventLoop.Timer?
    /// Progress requests of users, not those of the probe.
    private var progressRequests = 0
    /// For each unanswered progress request, also those of the probe, a number: the answer is about watches below it.
    ///
    /// The others were not confirmed when it was sent. So the server may not have known them, or its answer may come
    /// ahead of their events.
    private var progressBounds: ArraySlice<Int64> = []

    /// Opens a stream, which tells `onEvent` of each answer and of its end.
    init(
        _ purpose: Purpose,
        at route: Channel.Route,
        _ channel: Channel,
        _ onEvent: @escaping Handler
    ) throws(ConnectionError) {
        let endpoint = route.link.endpoint
        let configuration = channel.configuration
        self.purpose = purpose
        self.endpoint = endpoint
        self.onEvent = onEvent
        connection = route.link.connection
        token = route.token
        tokenGranted = channel.tokens.granted
        probe = WatchProbe(interval: configuration.watchProbeInterval, timeout: configuration.pingTimeout, at: .now)
        stream = try GRPCStream(
            path: Wire.watch.path,
            metadata: channel.metadata(for: endpoint, requiresLeader: true, token: route.token),
            maximumMessageSize: configuration.maximumMessageSize,
            window: purpose == .single ? .manual : .automatic,
            on: connection
        ) { bytes in
            WatchAnswer.read(bytes) { self.received($0, bytes.count + GRPCFraming.prefixLength) }
        } onEnd: {
            self.ended($0)
        }
        scheduleProbe()
    }

    /// When the connection was opened, which the member has served without an end since.
    var connectionOpened: ContinuousClock.Instant { connection.opened }

    /// The stream has ended with its connection.
    var isCutOff: Bool {
        if case .closed = connection.state { true } else { false }
    }

    /// All that has come on the stream was for one watch.
    var hadOneWatch: Bool { createdCount == 1 }

    // MARK: Watches

    /// Asks the server for a watch.
    func create(_ watcher: Watcher, id: Int64) {
        watcher.joined(self, id: id)
        watchers[id] = watcher
        createdCount += 1
        newestID = id
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
        let due = probe.due
        probe.inherit(watcher.fruitlessMoves)
        probe.ask(at: .now)
        if probe.due != due { scheduleProbe() }
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
        watcher.left()
        watcher.fruitlessMoves = probe.fruitlessMoves
        return id
    }

    /// Ends the stream.
    ///
    /// - Returns: The watches that were on it.
    @discardableResult
    func close() -> [Watcher] {
        stream?.cancel()
        stream = nil
        if let timer { EventLoop.cancel(timer) }
        timer = nil
        // In the order of their creation.
        let watchers = watchers.sorted { $0.key < $1.key }.map(\.value)
        for watcher in watchers {
            watcher.left()
            watcher.fruitlessMoves = probe.fruitlessMoves
        }
        self.watchers = [:]
        return watchers
    }

    // MARK: Messages

    /// Lets the server send more on the stream of a single watch.
    func consume(_ byteCount: Int) {
        stream?.consume(byteCount)
    }

    /// Requests the progress of all watches for a user.
    func requestProgress() {
        progressRequests += 1
        sendProgressRequest()
    }

    private func sendProgressRequest() {
        if progressBounds.count < Self.maximumProgressRequests {
            progressBounds.append(unconfirmed.first ?? newestID + 1)
        }
        stream?.send(Wire.WatchRequest(progress: Wire.EmptyRequest()))
    }

    /// Takes an answer to a progress request: to the oldest, or to a later one that is about no fewer watches.
    ///
    /// - Returns: The watches that it is about, if a user has requested it.
    func takeProgressAnswer() -> [Watcher] {
        let bound = progressBounds.popFirst() ?? 0
        guard progressRequests > 0 else { return [] }
        progressRequests -= 1
        return watchers.filter { $0.key < bound }.map(\.value)
    }

    private func received(_ answer: WatchAnswer, _ byteCount: Int) {
        isAvoided = false
        probe.hear(at: connection.lastReceived.instant, isConfirmation: answer.created)
        if purpose == .single, answer.created, let watcher = watchers.values.first {
            stream?.setWindow(to: max(watcher.options.bufferSize, Self.minimumWindow))
        }
        onEvent(self, .received(answer, byteCount: byteCount, for: watcher(for: answer)))
    }

    private func ended(_ failure: GRPCFailure?) {
        onEvent(self, .ended(close(), EtcdError(endOfStreamOf: "watches", failure, at: endpoint)))
    }

    private func watcher(for answer: WatchAnswer) -> Watcher? {
        var id = answer.watchID
        if answer.created {
            // A watch that the server refuses outright is answered with -1 instead of its number.
            if id == -1, let oldest = unconfirmed.first { id = oldest }
            confirm(id)
        }
        return watchers[id]
    }

    private func confirm(_ id: Int64) {
        // The numbers are in order, and mostly the first is confirmed.
        if unconfirmed.first == id {
            unconfirmed.removeFirst()
        } else if let index = unconfirmed.firstIndex(of: id) {
            unconfirmed.remove(at: index)
        }
    }

    // MARK: Silence

    private func scheduleProbe() {
        if let timer { EventLoop.cancel(timer) }
        timer = EventLoop.schedule(at: probe.due) { [weak self] in
            self?.timer = nil
            self?.runProbe()
        }
    }

    private func runProbe() {
        // The server may not send more before the consumer has taken what has arrived.
        if purpose == .single, watchers.values.contains(where: \.mailbox.hasUnread) { probe.hear(at: .now) }
        switch probe.check(at: .now) {
        case .wait: break
        case .ask: sendProgressRequest()
        case .giveUp:
            let moves = probe.fruitlessMoves + 1
            let watchers = close()
            for watcher in watchers { watcher.fruitlessMoves = moves }
            onEvent(self, .fellSilent(watchers))
            return
        }
        scheduleProbe()
    }
}
