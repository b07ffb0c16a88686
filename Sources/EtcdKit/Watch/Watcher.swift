// SPDX-License-Identifier: Apache-2.0

/// One watch: its position, and what it holds for its consumer.
@EventLoop
final class Watcher {
    /// Changes, or news of progress, as they go to the consumer.
    enum Chunk: Sendable {
        case events([WatchEvent])
        case progress(Revision)
        /// How what there is at the revision differs from what the consumer was told.
        case resync([WatchEvent], at: Revision)
        /// The watch is confirmed at this revision by a store that may not be the one that its first revision is of.
        case interruption(Revision)
    }

    let range: KeyRange
    let options: WatchOptions
    var state: WatchState
    /// The number of the watch on its stream; nil while it is on none.
    ///
    /// A number is never used twice.
    var watchID: Int64?
    /// The consumer is behind, so the watch has a stream of its own, whose window holds the server back.
    var hasOwnStream = false
    /// The group of watches that share streams with no others, since one of them gets answers that are too large.
    var isolation: Int?
    /// Where the watch is, or was last.
    var endpoint: Endpoint?
    let started = ContinuousClock.now
    /// When the watch began to wait for a stream.
    var attempt = ContinuousClock.now
    var admission = WatchAdmission()
    /// How many streams in a row were given up under the watch in vain.
    var fruitlessMoves = 0
    private(set) var isFinished = false
    /// The watch had begun and was then cut off.
    private var isInterrupted = false
    private var isConfirmed = false

    private let hub: WatchHub
    private var buffer: [Chunk] = []
    private var bufferCost = 0
    /// Bytes in the buffer for which the server waits on the watch's own stream.
    private var withheldCount = 0
    private var ending: EtcdError?
    private let created = Completion<Result<Void, EtcdError>>()
    /// Tasks that wait for something to come; more than one if several iterate over one watch.
    private var waiting: [Completion<Void>] = []

    init(_ range: KeyRange, from revision: Revision?, options: WatchOptions, hub: WatchHub) {
        self.range = range
        self.options = options
        self.hub = hub
        state = WatchState(from: revision)
    }

    // MARK: The consumer's side

    /// All that has come since the last call, waiting for something if there is nothing.
    func next() async -> Result<[Chunk], EtcdError> {
        while true {
            if Task.isCancelled { return .failure(EtcdError(.cancelled, "the task was cancelled")) }
            if !buffer.isEmpty {
                defer {
                    buffer = []
                    bufferCost = 0
                    hub.consumed(withheldCount, by: self)
                    withheldCount = 0
                }
                return .success(buffer)
            }
            if let ending { return .failure(ending) }
            let waiting = Completion<Void>()
            self.waiting.append(waiting)
            await waiting.wait { waiting.complete(()) }
            self.waiting.removeAll { $0 === waiting }
        }
    }

    /// Waits until the server has confirmed the watch.
    func waitUntilCreated(deadline: ContinuousClock.Instant) async throws(EtcdError) {
        let created = created
        let timer = EventLoop.schedule(at: deadline) { [hub] in created.complete(.failure(hub.unavailability)) }
        let result = await created.wait {
            created.complete(.failure(EtcdError(.cancelled, "the task was cancelled")))
        }
        EventLoop.cancel(timer)
        try result.get()
    }

    // MARK: The hub's side

    /// The server has confirmed the watch.
    ///
    /// - Returns: Whether the watch goes on after an interruption.
    func confirmed() -> Bool {
        defer { isInterrupted = false }
        admission = WatchAdmission()
        isConfirmed = true
        created.complete(.success(()))
        return isInterrupted
    }

    /// Buffers a chunk for the consumer, which came in an answer of `byteCount` bytes.
    func offer(_ chunk: Chunk, byteCount: Int) {
        if case .events(let events) = chunk { bufferCost += events.reduce(0) { $0 + $1.cost } }
        if case .progress = chunk, case .progress? = buffer.last { buffer.removeLast() }
        buffer.append(chunk)
        if hasOwnStream { withhold(byteCount) }
        wakeConsumers()
    }

    /// The server waits with so many bytes until the consumer has taken what there is.
    func withhold(_ byteCount: Int) { withheldCount += byteCount }

    private func wakeConsumers() {
        let waiting = waiting
        self.waiting = []
        for completion in waiting { completion.complete(()) }
    }

    /// There is something that the consumer has not taken.
    var hasUnread: Bool { !buffer.isEmpty }

    /// The consumer has left more than the options allow.
    var isBehind: Bool { bufferCost > options.bufferSize }

    /// The stream is gone, and with it its window.
    func disconnected() {
        watchID = nil
        hasOwnStream = false
        isolation = nil
        withheldCount = 0
        state.disconnected()
    }

    /// The watch has lost its stream for a reason that is not its own.
    func interrupted() {
        isInterrupted = isConfirmed
        disconnected()
    }

    /// Ends the watch; what is buffered is still delivered.
    func end(_ error: EtcdError) {
        isFinished = true
        if ending == nil { ending = error }
        created.complete(.failure(error))
        wakeConsumers()
    }
}
